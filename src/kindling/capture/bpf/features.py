"""What this kernel can do, found out by doing it: programs of a few instructions, maps of one entry.

Never by version: distributions carry features back and switch them off. Nothing here is attached.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from kindling.capture.bpf import host, loader, syscall
from kindling.capture.bpf.assembler import (
    OPS_SK,
    PASS,
    SKB_DATA,
    SKB_END,
    SKB_SK,
    Helper,
    call,
    copy,
    load32,
    load64,
    load_map,
    op,
    put,
    unless_zero,
)
from kindling.capture.bpf.maps import Grace, HashMap, Numbers, SharedArray
from kindling.capture.bpf.program import MapSpec
from kindling.capture.bpf.syscall import AttachType, MapFlag, MapType, ProgramType
from kindling.errors import VerifierError


@dataclass(frozen=True, slots=True)
class Feature:
    name: str
    needed: bool
    without: str
    """What a user misses where it is not there."""
    probe: Callable[[], str]
    """Returns a detail worth showing, or "". Raises OSError or KindlingError when it is not there."""


def _program(kind: ProgramType, code: bytes, attach: int = 0) -> int:
    """Load code, and return the descriptor."""
    try:
        return syscall.program_load(kind, code, attach=attach, name="kd_try")
    except OSError as error:
        refused = error
    log = ctypes.create_string_buffer(1 << 16)
    try:
        return syscall.program_load(kind, code, attach=attach, name="kd_try", log=log, log_level=1)
    except OSError:
        text = log.value.decode(errors="replace")
        lines = [line for line in text.splitlines() if not line.startswith("processed ")]
        if not lines:
            raise refused from None
        raise VerifierError("kd_try", refused.strerror or "", "\n".join(lines)) from refused


def accepted(kind: ProgramType, code: bytes, attach: int = 0) -> str:
    os.close(_program(kind, code + PASS, attach))
    return ""


def _map(kind: MapType, key: int, value: int, entries: int, flags: int = 0) -> loader.Map:
    fd = syscall.map_create(kind, key, value, entries, flags, name="kd_try")
    return loader.Map(fd, MapSpec("kd_try", kind, key, value, entries, flags))


def _with_map(made: loader.Map, use: Callable[[loader.Map], object]) -> str:
    try:
        use(made)
    finally:
        os.close(made.fd)
    return ""


def _packets() -> str:
    return accepted(ProgramType.CGROUP_SKB, b"")


def _packet_access() -> str:
    """Read the first byte of a packet in place."""
    code = load32(2, 1, SKB_DATA) + load32(3, 1, SKB_END) + copy(4, 2) + op(0x07, 4, number=1)
    return accepted(ProgramType.CGROUP_SKB, code + op(0x2D, 4, 3, 1) + op(0x71, 0, 2))


def _packet_socket() -> str:
    use = copy(1, 0) + call(Helper.TCP_SOCK)
    code = load64(1, 1, SKB_SK) + unless_zero(1, call(Helper.FULLSOCK) + unless_zero(0, use))
    return accepted(ProgramType.CGROUP_SKB, code)


def _storage_map(flags: int = 0) -> loader.Map:
    spec = MapSpec("kd_try", MapType.SK_STORAGE, 4, 8, 0, MapFlag.NO_PREALLOC | flags)
    raw, numbers = loader.storage_types([spec])
    types = syscall.btf_load(raw)
    try:
        fd = syscall.map_create(spec.kind, 4, 8, 0, spec.flags, name="kd_try", types=(types, *numbers["kd_try"]))
    finally:
        os.close(types)
    return loader.Map(fd, spec)


def _get_storage(fd: int) -> bytes:
    """From the socket in register 2."""
    return load_map(1, fd) + put(3, 0) + put(4, 1) + call(Helper.STORAGE_GET)


def _storage() -> str:
    def use(made: loader.Map) -> None:
        get = copy(2, 0) + _get_storage(made.fd)
        skb = load64(1, 1, SKB_SK) + unless_zero(1, call(Helper.FULLSOCK) + unless_zero(0, get))
        accepted(ProgramType.CGROUP_SKB, skb)
        ops = load64(2, 1, OPS_SK) + unless_zero(2, _get_storage(made.fd))
        accepted(ProgramType.SOCK_OPS, ops, AttachType.SOCK_OPS)

    return _with_map(_storage_map(), use)


def _storage_clone() -> str:
    return _with_map(_storage_map(MapFlag.CLONE), bool)


def _ring() -> str:
    def use(made: loader.Map) -> None:
        give_back = copy(1, 0) + put(2, 1) + call(Helper.DISCARD)
        code = load_map(1, made.fd) + put(2, 64) + put(3, 0) + call(Helper.RESERVE) + unless_zero(0, give_back)
        accepted(ProgramType.CGROUP_SKB, code)

    return _with_map(_map(MapType.RINGBUF, 0, 0, 4096), use)


def _shared_array() -> str:
    dtype = np.dtype([("x", "<u8")])
    return _with_map(_map(MapType.ARRAY, 4, 8, 1, MapFlag.MMAPABLE), lambda made: SharedArray(made, dtype))


def _queue() -> str:
    def use(made: loader.Map) -> None:
        numbers = Numbers(made)
        numbers.push([1])
        numbers.pop()

    return _with_map(_map(MapType.QUEUE, 0, 4, 1), use)


def _sockops() -> str:
    return accepted(ProgramType.SOCK_OPS, put(2, 4) + call(Helper.CB_FLAGS), AttachType.SOCK_OPS)


def _sock_create() -> str:
    def use(made: loader.Map) -> None:
        keep, again = copy(6, 1), copy(1, 6)
        code = keep + call(Helper.PID_TGID) + call(Helper.CGROUP_ID) + again + call(Helper.NETNS_COOKIE)
        name = copy(1, 10) + op(0x07, 1, number=-16) + put(2, 16) + call(Helper.COMM)
        code += name + copy(2, 6) + _get_storage(made.fd)
        accepted(ProgramType.CGROUP_SOCK, code, AttachType.SOCK_CREATE)

    return _with_map(_storage_map(), use)


def _sock_release() -> str:
    return accepted(ProgramType.CGROUP_SOCK, b"", AttachType.SOCK_RELEASE)


def _connect() -> str:
    accepted(ProgramType.CGROUP_SOCK_ADDR, b"", AttachType.CONNECT4)
    return accepted(ProgramType.CGROUP_SOCK_ADDR, b"", AttachType.CONNECT6)


def _loops() -> str:
    return accepted(ProgramType.CGROUP_SKB, put(0, 0) + op(0x07, 0, number=1) + op(0xA5, 0, offset=-2, number=50))


def _functions_and_tail_calls() -> str:
    """A program with a function of its own that also calls another program."""

    def use(made: loader.Map) -> None:
        tail = copy(6, 1) + op(0x85, 0, 1, number=6) + copy(1, 6) + load_map(2, made.fd) + put(3, 0)
        # the function stands behind the program: 5 more instructions from its call
        code = tail + call(Helper.TAIL_CALL) + PASS + PASS
        at = len(tail + call(Helper.TAIL_CALL) + PASS) // 8 - 2
        code = code.replace(op(0x85, 0, 1, number=6), op(0x85, 0, 1, number=at))
        os.close(_program(ProgramType.CGROUP_SKB, code))

    return _with_map(_map(MapType.PROG_ARRAY, 4, 4, 1), use)


def _links() -> str:
    """A link to what is no cgroup: a kernel with links complains of the cgroup only."""
    program = _program(ProgramType.CGROUP_SKB, PASS)
    try:
        os.close(syscall.link_create(program, 0x7FFF_FFFF, AttachType.INGRESS))
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
    finally:
        os.close(program)
    return ""


def _batches() -> str:
    def use(made: loader.Map) -> None:
        ids = HashMap(made, np.dtype("<u4"))
        ids.put(5, bytes(4))
        ids.items()
        ids.delete_all([5])
        if ids.one_by_one:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    return _with_map(_map(MapType.HASH, 8, 4, 4), use)


def _take() -> str:
    def use(made: loader.Map) -> None:
        ids = HashMap(made, np.dtype("<u4"))
        ids.put(5, bytes(4))
        ids.take(5)
        if ids.takes_in_two:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    return _with_map(_map(MapType.HASH, 8, 4, 4), use)


def _grace() -> str:
    with Grace() as grace:
        grace.wait()
    return ""


def _constants() -> str:
    """A frozen map that programs may only read."""

    def use(made: loader.Map) -> None:
        syscall.map_update(made.fd, bytes(4), bytes(8))
        syscall.map_freeze(made.fd)
        value = op(0x18, 1, 2, number=made.fd) + op(0)
        accepted(ProgramType.CGROUP_SKB, value + load64(0, 1, 0))

    return _with_map(_map(MapType.ARRAY, 4, 8, 1, MapFlag.RDONLY_PROG), use)


FEATURES: Final = (
    Feature("privilege", True, "nothing can be loaded", host.privilege),
    Feature("root of cgroup v2", True, "no packet is seen", host.root),
    Feature("locked memory", False, "maps may not fit before Linux 5.11", host.memlock),
    Feature("packets of sockets (cgroup_skb)", True, "no packet is seen", _packets),
    Feature("packet bytes in place", True, "no packet can be read", _packet_access),
    Feature("socket of a packet", True, "packets belong to nobody", _packet_socket),
    Feature("socket storage", True, "connections cannot be followed", _storage),
    Feature("storage cloned on accept", True, "accepted connections have no owner", _storage_clone),
    Feature("socket creation with process and namespace", True, "connections have no owner", _sock_create),
    Feature("socket release", True, "UDP sockets never end", _sock_release),
    Feature("connect()", True, "connections that fail before a packet leaves are missed", _connect),
    Feature("TCP events (sockops)", True, "no connection is counted", _sockops),
    Feature("bounded loops", True, "no message can be read", _loops),
    Feature(
        "functions and tail calls", True, "packets with several messages cannot be read", _functions_and_tail_calls
    ),
    Feature("constants", True, "the probe cannot be configured", _constants),
    Feature("arrays in shared memory", True, "counters cannot be read exactly", _shared_array),
    Feature("queues", True, "slots cannot be given out", _queue),
    Feature("maps of maps", True, "slots cannot be given back", _grace),
    Feature("ring buffer", True, "no single requests, no DNS answers", _ring),
    Feature("links", False, "programs stay attached when the agent is killed, until the next one starts", _links),
    Feature("batches", False, "reading maps takes a call for each entry", _batches),
    Feature("take from a hash map", False, "a query asked twice in the same moment may be counted once", _take),
    Feature("JIT compiler", False, "every packet costs several times as much", host.jit),
    Feature(
        "names of other users' processes",
        False,
        "workloads of other users are shown without program",
        host.other_processes,
    ),
    Feature("drop reasons (skb:kfree_skb)", False, "drops by the kernel are not explained", host.drop_reasons),
    Feature("kernel types (BTF)", False, "nothing so far", host.kernel_types),
)
