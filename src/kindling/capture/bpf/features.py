"""What this kernel can do, found out by doing it: programs of a few instructions, maps of one entry.

Never by version: distributions carry features back and switch them off. Nothing here is attached.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from kindling.capture.bpf import cgroup, drops, loader, syscall
from kindling.capture.bpf.maps import Grace, HashMap, Numbers, SharedArray
from kindling.capture.bpf.program import MapSpec
from kindling.capture.bpf.syscall import AttachType, MapFlag, MapType, ProgramType
from kindling.errors import KindlingError, PrivilegeError, VerifierError


@dataclass(frozen=True, slots=True)
class Feature:
    name: str
    needed: bool
    without: str
    """What a user misses where it is not there."""
    probe: Callable[[], str]
    """Returns a detail worth showing, or "". Raises OSError or KindlingError when it is not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    needed: bool
    present: bool
    forbidden: bool
    """The kernel may have it: this process is not allowed to try."""
    detail: str
    without: str


def survey(features: Iterable[Feature] | None = None) -> list[Finding]:
    """Try each feature. Never raises."""
    loader.raise_memlock()
    return [_try(feature) for feature in (FEATURES if features is None else features)]


def _try(feature: Feature) -> Finding:
    forbidden = False
    try:
        detail, present = feature.probe(), True
    except VerifierError as error:
        detail, present = error.log.strip().splitlines()[-1] if error.log.strip() else str(error), False
    except KindlingError as error:
        detail, present, forbidden = str(error), False, isinstance(error, PrivilegeError)
    except OSError as error:
        detail, present, forbidden = error.strerror or str(error), False, error.errno in {errno.EPERM, errno.EACCES}
    return Finding(feature.name, feature.needed, present, forbidden, detail, feature.without)


# --- an assembler of one line -------------------------------------------------------------------


def _op(code: int, to: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | to, offset, number)


def _set(register: int, number: int) -> bytes:
    return _op(0xB7, register, number=number)


def _copy(to: int, source: int) -> bytes:
    return _op(0xBF, to, source)


def _load32(to: int, source: int, offset: int) -> bytes:
    return _op(0x61, to, source, offset)


def _load64(to: int, source: int, offset: int) -> bytes:
    return _op(0x79, to, source, offset)


def _load_map(to: int, fd: int) -> bytes:
    return _op(0x18, to, 1, number=fd) + _op(0)


def _call(helper: int) -> bytes:
    return _op(0x85, number=helper)


def _unless_zero(register: int, body: bytes) -> bytes:
    """Run the body only when the register is not zero."""
    return _op(0x15, register, offset=len(body) // 8) + body


_PASS: Final = _set(0, 1) + _op(0x95)

# Helpers: enum bpf_func_id of include/uapi/linux/bpf.h.
_TAIL_CALL, _PID_TGID, _COMM, _COOKIE, _CB_FLAGS, _CGROUP_ID = 12, 14, 16, 46, 59, 80
_FULLSOCK, _TCP_SOCK, _STORAGE_GET, _NETNS_COOKIE, _RESERVE, _DISCARD = 95, 96, 107, 122, 131, 133

# Offsets within contexts: struct __sk_buff and struct bpf_sock_ops of include/uapi/linux/bpf.h.
_SKB_DATA, _SKB_END, _SKB_SK, _OPS_SK = 76, 80, 168, 184


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


def _accepted(kind: ProgramType, code: bytes, attach: int = 0) -> str:
    os.close(_program(kind, code + _PASS, attach))
    return ""


def _map(kind: MapType, key: int, value: int, entries: int, flags: int = 0) -> loader.Map:
    fd = syscall.map_create(kind, key, value, entries, flags, name="kd_try")
    return loader.Map(fd, MapSpec("kd_try", kind, key, value, entries, flags))


# --- the features -----------------------------------------------------------------------------------


def _with_map(made: loader.Map, use: Callable[[loader.Map], object]) -> str:
    try:
        use(made)
    finally:
        os.close(made.fd)
    return ""


def _packets() -> str:
    return _accepted(ProgramType.CGROUP_SKB, b"")


def _packet_access() -> str:
    """Read the first byte of a packet in place."""
    code = _load32(2, 1, _SKB_DATA) + _load32(3, 1, _SKB_END) + _copy(4, 2) + _op(0x07, 4, number=1)
    return _accepted(ProgramType.CGROUP_SKB, code + _op(0x2D, 4, 3, 1) + _op(0x71, 0, 2))


def _packet_socket() -> str:
    use = _copy(1, 0) + _call(_TCP_SOCK)
    code = _load64(1, 1, _SKB_SK) + _unless_zero(1, _call(_FULLSOCK) + _unless_zero(0, use))
    return _accepted(ProgramType.CGROUP_SKB, code)


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
    return _load_map(1, fd) + _set(3, 0) + _set(4, 1) + _call(_STORAGE_GET)


def _storage() -> str:
    def use(made: loader.Map) -> None:
        get = _copy(2, 0) + _get_storage(made.fd)
        skb = _load64(1, 1, _SKB_SK) + _unless_zero(1, _call(_FULLSOCK) + _unless_zero(0, get))
        _accepted(ProgramType.CGROUP_SKB, skb)
        ops = _load64(2, 1, _OPS_SK) + _unless_zero(2, _get_storage(made.fd))
        _accepted(ProgramType.SOCK_OPS, ops, AttachType.SOCK_OPS)

    return _with_map(_storage_map(), use)


def _storage_clone() -> str:
    return _with_map(_storage_map(MapFlag.CLONE), bool)


def _ring() -> str:
    def use(made: loader.Map) -> None:
        give_back = _copy(1, 0) + _set(2, 1) + _call(_DISCARD)
        code = _load_map(1, made.fd) + _set(2, 64) + _set(3, 0) + _call(_RESERVE) + _unless_zero(0, give_back)
        _accepted(ProgramType.CGROUP_SKB, code)

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
    return _accepted(ProgramType.SOCK_OPS, _set(2, 4) + _call(_CB_FLAGS), AttachType.SOCK_OPS)


def _sock_create() -> str:
    def use(made: loader.Map) -> None:
        keep, again = _copy(6, 1), _copy(1, 6)
        code = keep + _call(_PID_TGID) + _call(_CGROUP_ID) + again + _call(_NETNS_COOKIE)
        name = _copy(1, 10) + _op(0x07, 1, number=-16) + _set(2, 16) + _call(_COMM)
        code += name + _copy(2, 6) + _get_storage(made.fd)
        _accepted(ProgramType.CGROUP_SOCK, code, AttachType.SOCK_CREATE)

    return _with_map(_storage_map(), use)


def _sock_release() -> str:
    return _accepted(ProgramType.CGROUP_SOCK, b"", AttachType.SOCK_RELEASE)


def _connect() -> str:
    _accepted(ProgramType.CGROUP_SOCK_ADDR, b"", AttachType.CONNECT4)
    return _accepted(ProgramType.CGROUP_SOCK_ADDR, b"", AttachType.CONNECT6)


def _loops() -> str:
    return _accepted(ProgramType.CGROUP_SKB, _set(0, 0) + _op(0x07, 0, number=1) + _op(0xA5, 0, offset=-2, number=50))


def _functions_and_tail_calls() -> str:
    """A program with a function of its own that also calls another program."""

    def use(made: loader.Map) -> None:
        tail = _copy(6, 1) + _op(0x85, 0, 1, number=6) + _copy(1, 6) + _load_map(2, made.fd) + _set(3, 0)
        # the function stands behind the program: 5 more instructions from its call
        code = tail + _call(_TAIL_CALL) + _PASS + _PASS
        at = len(tail + _call(_TAIL_CALL) + _PASS) // 8 - 2
        code = code.replace(_op(0x85, 0, 1, number=6), _op(0x85, 0, 1, number=at))
        os.close(_program(ProgramType.CGROUP_SKB, code))

    return _with_map(_map(MapType.PROG_ARRAY, 4, 4, 1), use)


def _links() -> str:
    """A link to what is no cgroup: a kernel with links complains of the cgroup only."""
    program = _program(ProgramType.CGROUP_SKB, _PASS)
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
        value = _op(0x18, 1, 2, number=made.fd) + _op(0)
        _accepted(ProgramType.CGROUP_SKB, value + _load64(0, 1, 0))

    return _with_map(_map(MapType.ARRAY, 4, 8, 1, MapFlag.RDONLY_PROG), use)


def _root() -> str:
    os.close(cgroup.open_root())
    return ""


_CAPABILITIES: Final = {
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}


def _held(status: Path = Path("/proc/self/status")) -> set[str]:
    line = next(line for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    bits = int(line.split()[1], 16)
    return {name for name, number in _CAPABILITIES.items() if bits >> number & 1}


def _privilege() -> str:
    held = _held()
    missing = {"CAP_NET_ADMIN"} - held
    if "CAP_SYS_ADMIN" not in held:
        missing |= {"CAP_BPF", "CAP_PERFMON"} - held
    if missing:
        raise OSError(errno.EPERM, f"missing: {', '.join(sorted(missing))}")
    return ""


def _other_processes() -> str:
    if "CAP_SYS_PTRACE" not in _held():
        raise OSError(errno.EPERM, "missing: CAP_SYS_PTRACE")
    return ""


def _memlock() -> str:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY:
        return "unlimited"
    with ExitStack() as stack:  # 8 MiB, if maps are counted at all: more than the usual limit
        stack.callback(os.close, _map(MapType.ARRAY, 4, 1 << 20, 8).fd)
    return f"{limit >> 10} KiB, not enforced on maps"


def _jit(path: Path = Path("/proc/sys/net/core/bpf_jit_enable")) -> str:
    try:
        text = path.read_text().strip()
    except OSError:
        return "always on"
    if text == "0":
        raise OSError(errno.ENOTSUP, "net.core.bpf_jit_enable is 0")
    return ""


def _kernel_types() -> str:
    size = Path("/sys/kernel/btf/vmlinux").stat().st_size
    return f"{size >> 10} KiB"


def _drop_reasons() -> str:
    reasons = drops.read_reasons()
    return f"{len(reasons)} reasons"


FEATURES: Final = (
    Feature("privilege", True, "nothing can be loaded", _privilege),
    Feature("root of cgroup v2", True, "no packet is seen", _root),
    Feature("locked memory", False, "maps may not fit before Linux 5.11", _memlock),
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
    Feature("JIT compiler", False, "every packet costs several times as much", _jit),
    Feature(
        "names of other users' processes", False, "workloads of other users are shown without program", _other_processes
    ),
    Feature("drop reasons (skb:kfree_skb)", False, "drops by the kernel are not explained", _drop_reasons),
    Feature("kernel types (BTF)", False, "nothing so far", _kernel_types),
)
