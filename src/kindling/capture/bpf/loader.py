"""From an object's bytes to maps and programs in the kernel.

Every failure is an error that says what to do: PrivilegeError, UnsupportedError, or VerifierError with the
verifier's own words.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kindling.capture.bpf import syscall
from kindling.capture.bpf.program import CONSTANTS, BpfObject, MapSpec, ProgramSpec
from kindling.capture.bpf.syscall import MapFlag, MapType
from kindling.capture.closing import Closing
from kindling.errors import KindlingError, LayoutError, PrivilegeError, UnsupportedError, VerifierError

LOG_BYTES: Final = 16 << 20
"""Room for the verifier's log; only what it writes takes memory."""
_LOG_ALL: Final = 1
_LOG_NUMBERS: Final = 4


@dataclass(frozen=True, slots=True)
class Map:
    """A map in the kernel, with the bound it was created with."""

    fd: int
    spec: MapSpec


@dataclass(slots=True)
class Loaded(Closing):
    """Maps and programs in the kernel; gone when closed, unless something else holds them."""

    object: BpfObject
    maps: dict[str, Map] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    """Descriptors by the name of the function."""

    def close(self) -> None:
        for fd in (*self.programs.values(), *(each.fd for each in self.maps.values())):
            os.close(fd)
        self.programs.clear()
        self.maps.clear()


def load(parsed: BpfObject, *, entries: Mapping[str, int] | None = None) -> Loaded:
    """Create all maps and load all programs. `entries`: other bounds than the sources declare, by map."""
    loaded = load_maps(parsed, entries=entries)
    try:
        load_programs(loaded)
        fill_arrays(loaded)
    except BaseException:
        loaded.close()
        raise
    return loaded


def load_programs(loaded: Loaded, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Load all programs of an object, each in a thread of its own: the kernel verifies each on one processor, and
    that takes a while. `meanwhile` is called by this thread.
    """
    failed: list[BaseException] = []

    def run(spec: ProgramSpec) -> None:
        try:
            loaded.programs[spec.name] = load_program(loaded, spec)
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that waits
            failed.append(error)

    specs = sorted(loaded.object.programs.values(), key=lambda spec: -spec.instructions)  # the longest first
    threads = [threading.Thread(target=run, args=(spec,)) for spec in specs]
    for thread in threads:
        thread.start()
    try:
        meanwhile()
    finally:
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]


def load_maps(
    parsed: BpfObject, *, entries: Mapping[str, int] | None = None, found: Mapping[str, int] | None = None
) -> Loaded:
    """Create all maps of an object, its constants frozen.

    `found`: descriptors of maps that are there already, by name; they are closed with the others.
    """
    raise_memlock()
    bounds = dict(entries or {})
    unknown = bounds.keys() - parsed.maps.keys()
    if unknown:
        raise LayoutError(f"The probe's object has no map {', '.join(sorted(unknown))}.")
    loaded = Loaded(parsed)
    types = 0
    for name, fd in (found or {}).items():
        loaded.maps[name] = _known(fd, parsed.maps[name], bounds)
    try:
        storages = [spec for spec in parsed.maps.values() if spec.kind == MapType.SK_STORAGE]
        numbers: dict[str, tuple[int, int]] = {}
        if storages:
            raw, numbers = storage_types(storages)
            types = _allowed(lambda: syscall.btf_load(raw), "load type information")
        for spec in parsed.maps.values():
            if spec.name in loaded.maps:
                continue
            loaded.maps[spec.name] = _create(spec, bounds.get(spec.name, spec.entries), types, numbers)
        for name, content in parsed.data.items():
            if found and name in found:
                continue
            fd = loaded.maps[name].fd
            syscall.map_update(fd, bytes(4), bytes(content))
            if name.startswith(CONSTANTS):
                syscall.map_freeze(fd)
    except BaseException:
        loaded.close()
        raise
    finally:
        if types:
            os.close(types)
    return loaded


def load_program(loaded: Loaded, spec: ProgramSpec) -> int:
    """Load one program, and return its descriptor. When the kernel refuses, the verifier is asked why."""
    code = spec.linked({name: each.fd for name, each in loaded.maps.items()})
    license_text = loaded.object.license
    try:
        return syscall.program_load(spec.kind, code, attach=spec.expected, name=spec.name, license_text=license_text)
    except OSError as error:
        refused = error
    log = ctypes.create_string_buffer(LOG_BYTES)
    # of a program that is too long to verify only the numbers: its log takes half a minute
    level = _LOG_NUMBERS if refused.errno == errno.E2BIG else _LOG_ALL
    with contextlib.suppress(OSError):
        return syscall.program_load(
            spec.kind, code, attach=spec.expected, name=spec.name, license_text=license_text, log=log, log_level=level
        )
    text = log.value.decode(errors="replace")
    if refused.errno == errno.EPERM and not text:
        raise _not_allowed("load a BPF program") from refused
    raise VerifierError(spec.name, refused.strerror or "no reason given", text)


def fill_arrays(loaded: Loaded) -> None:
    """Put the programs that are called by others where those look for them."""
    for spec in loaded.object.programs.values():
        if spec.array is None:
            continue
        name, index = spec.array
        if name not in loaded.maps:
            raise LayoutError(f"The program {spec.name} belongs into a map {name!r} that is not there.")
        fd = loaded.programs[spec.name]
        try:
            syscall.map_update(loaded.maps[name].fd, index.to_bytes(4, "little"), fd.to_bytes(4, "little"))
        except OSError as error:
            raise failure(error, f"let {name} call {spec.name}") from error


def raise_memlock() -> None:
    """Before 5.11 maps are counted against RLIMIT_MEMLOCK. Where raising it is not allowed, maps will tell."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def storage_types(specs: list[MapSpec]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Make the least type information with which the kernel takes socket storage.

    bpf_local_storage_map_check_btf() wants an int of 32 bits as key, and a value type of the value's size. Only
    kinds that every kernel knows: the compiler's own BTF holds kinds that old ones refuse.
    Returns the raw BTF, and types of key and value by map.
    """
    strings = bytearray(b"\0")

    def text(name: str) -> int:
        at = len(strings)
        strings.extend(name.encode() + b"\0")
        return at

    types = struct.pack("<IIII", text("int"), 1 << 24, 4, 1 << 24 | 32)  # 1: signed, 32 bits
    types += struct.pack("<IIII", text("byte"), 1 << 24, 1, 8)  # 2
    numbers = {}
    count = 2
    for spec in specs:
        types += struct.pack("<III", 0, 3 << 24, 0) + struct.pack("<III", 2, 1, spec.value_bytes)
        types += struct.pack("<III", text(spec.name), 4 << 24 | 1, spec.value_bytes)
        types += struct.pack("<III", text("at"), count + 1, 0)
        numbers[spec.name] = (1, count + 2)
        count += 2
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return head + types + bytes(strings), numbers


def _known(fd: int, spec: MapSpec, bounds: Mapping[str, int]) -> Map:
    entries = bounds.get(spec.name, spec.entries)
    return Map(
        fd, MapSpec(spec.name, spec.kind, spec.key_bytes, spec.value_bytes, entries, spec.flags, spec.value_type)
    )


def _create(spec: MapSpec, entries: int, types: int, numbers: Mapping[str, tuple[int, int]]) -> Map:
    flags = spec.flags
    if spec.name.startswith(CONSTANTS):
        flags |= MapFlag.RDONLY_PROG
    described = (types, *numbers[spec.name]) if spec.name in numbers else (0, 0, 0)
    kind = next((known.name.lower() for known in MapType if known == spec.kind), str(spec.kind))
    fd = _allowed(
        lambda: syscall.map_create(
            spec.kind, spec.key_bytes, spec.value_bytes, entries, flags, name=spec.name, types=described
        ),
        f"create the map {spec.name} (kind {kind}, {entries} entries)",
    )
    return Map(fd, MapSpec(spec.name, spec.kind, spec.key_bytes, spec.value_bytes, entries, flags, spec.value_type))


def _allowed(act: Callable[[], int], what: str) -> int:
    try:
        return act()
    except OSError as error:
        raise failure(error, what) from error


def failure(error: OSError, what: str) -> KindlingError:
    """Turn the kernel's errno into an error that says what to do."""
    if error.errno in {errno.EPERM, errno.EACCES}:
        return _not_allowed(what)
    if error.errno == errno.ENOMEM:
        return KindlingError(f"No memory to {what}.", hint="Free some, or set lower limits.")
    if error.errno == errno.ENOSYS:
        return UnsupportedError("This kernel has no BPF.", hint="`kindling replay` works without.")
    return UnsupportedError(f"This kernel cannot {what}: {error.strerror}.")


def _not_allowed(what: str) -> PrivilegeError:
    if os.geteuid() != 0:
        return PrivilegeError(f"Not allowed to {what}.")
    return PrivilegeError(
        f"The kernel does not allow root to {what}.",
        hint="A container needs --privileged, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON and no seccomp filter on"
        " bpf(); lockdown or a security module may forbid BPF.",
    )
