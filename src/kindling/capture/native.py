"""The native home (libkindling.so) through ctypes: bytes of a capture file in, the probe's tables out."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kindling.errors import KindlingError, LayoutError
from kindling.wire import elf
from kindling.wire.btf import Btf
from kindling.wire.layout import enum_values, struct_dtype

LIBRARY: Final = "_native/libkindling.so"
OBJECT: Final = "_probe/kindling.bpf.o"
TABLES: Final = ("owner", "flow", "op", "name")

_BATCH: Final = 1024
"""Queries taken out at one time."""


class Code(IntEnum):
    """enum kn_code of native/kindling_native.h"""

    OK = 0
    FORMAT = 1
    TRUNCATED = 2
    BROKEN = 3
    MEMORY = 4
    BUSY = 5
    CONFIG = 6


@dataclass(frozen=True, slots=True)
class Fault:
    """Why and where reading a capture ended early; `offset` counts unpacked bytes."""

    code: Code
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Counts:
    """struct kn_counts: what became of the packets of a file."""

    packets: int
    bytes: int
    unknown_link: int
    not_ip: int
    cut_headers: int
    fragments: int
    other_transport: int
    conversations: int
    evicted: int
    late: int
    loose: int
    copies: int


class _Table(ctypes.Structure):
    _fields_ = (("slots", ctypes.c_void_p), ("count", ctypes.c_uint32), ("stride", ctypes.c_uint32))


class _Fault(ctypes.Structure):
    _fields_ = (
        ("offset", ctypes.c_uint64),
        ("reason", ctypes.c_char_p),
        ("code", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


class _Counts(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in Counts.__slots__)


@cache
def library() -> ctypes.CDLL:
    """Return the loaded library. Raises KindlingError when it is not there or not for this machine."""
    path = files("kindling") / LIBRARY
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise KindlingError(
            f"The native library cannot be loaded: {error}.", hint="Build it with `make build`."
        ) from None
    signatures: dict[str, tuple[type | None, list[type]]] = {
        "kn_open": (ctypes.c_uint32, [ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32]),
        "kn_feed": (ctypes.c_uint32, [ctypes.c_char_p, ctypes.c_uint64]),
        "kn_finish": (ctypes.c_uint32, []),
        "kn_close": (None, []),
        "kn_fault": (None, [ctypes.POINTER(_Fault)]),
        "kn_counts": (None, [ctypes.POINTER(_Counts)]),
        "kn_now": (ctypes.c_uint64, []),
        "kn_table": (ctypes.c_uint32, [ctypes.c_char_p, ctypes.POINTER(_Table)]),
        "kn_next_event": (ctypes.c_uint32, [ctypes.POINTER(ctypes.c_void_p)]),
        "kn_expire": (ctypes.c_uint32, [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_uint32]),
        "kn_size": (ctypes.c_uint32, [ctypes.c_char_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments
    return loaded


@cache
def probe_types() -> Btf:
    """Return the types of the probe's object, from which all layouts come."""
    try:
        data = (files("kindling") / OBJECT).read_bytes()
    except OSError as error:
        raise KindlingError(f"The probe's object is not there: {error}.", hint="Build it with `make build`.") from None
    section = elf.parse(data).section(".BTF")
    if section is None:
        raise LayoutError("The probe's object tells no types.", hint="Build it again with `make build`.")
    return Btf(section.data)


class Engine:
    """The one engine of this process: what the library keeps, it keeps once.

    Arrays from `slots` stay readable until the next engine opens.
    """

    _current: Engine | None = None

    def __init__(self, *, scale: int = 4) -> None:
        if Engine._current is not None:
            raise KindlingError("A capture is being replayed in this process.", hint="Close it first.")
        self._library = library()
        self._library.kn_close()  # what the last one left readable
        code = Code(self._library.kn_open(None, 0, scale))
        if code is not Code.OK:
            raise KindlingError(f"The native engine does not start ({code.name.lower()}).")
        Engine._current = self

    def feed(self, data: bytes) -> bool:
        """Read a piece of a capture file. False: a fault ends it, see `fault`."""
        return bool(self._library.kn_feed(data, len(data)) == Code.OK)

    def finish(self) -> None:
        """Say that the file ends here."""
        self._library.kn_finish()

    def close(self) -> None:
        """Let another engine open."""
        if Engine._current is self:
            Engine._current = None

    def fault(self) -> Fault | None:
        found = _Fault()
        self._library.kn_fault(ctypes.byref(found))
        if found.code == Code.OK:
            return None
        return Fault(Code(found.code), found.offset, (found.reason or b"").decode())

    def counts(self) -> Counts:
        found = _Counts()
        self._library.kn_counts(ctypes.byref(found))
        return Counts(*(getattr(found, name) for name in Counts.__slots__))

    def now(self) -> int:
        """Time of the newest packet, nanoseconds since 1970."""
        return int(self._library.kn_now())

    def slots(self, table: str) -> NDArray[np.void]:
        """Return a table's slots in place."""
        return self._array(table, self.dtype(f"{table}_slot"))

    def lost(self) -> dict[str, int]:
        """Return how often each cause of `enum lost` happened, by its name in lower case."""
        numbers = self._array("losses", self.dtype("losses"))["n"][0]
        names = enum_values(probe_types(), "lost")
        return {
            name.removeprefix("LOST_").lower(): int(numbers[number])
            for name, number in names.items()
            if name != "LOST_COUNT"
        }

    def events(self) -> Iterator[bytes]:
        """Take all events out of the ring."""
        place = ctypes.c_void_p()
        while size := self._library.kn_next_event(ctypes.byref(place)):
            yield ctypes.string_at(place, size)

    def expire(self, asked_before_ns: int) -> Iterator[bytes]:
        """Take out the queries (struct pending) that were asked before a time."""
        size = self.size("pending")
        room = ctypes.create_string_buffer(size * _BATCH)
        while taken := self._library.kn_expire(max(0, asked_before_ns), room, _BATCH):
            raw = room.raw
            yield from (raw[size * i : size * (i + 1)] for i in range(taken))

    def size(self, structure: str) -> int:
        """Return what the library says a structure's size is."""
        return int(self._library.kn_size(structure.encode()))

    @staticmethod
    def dtype(structure: str) -> np.dtype[np.void]:
        return struct_dtype(probe_types(), structure)

    def _array(self, table: str, dtype: np.dtype[np.void]) -> NDArray[np.void]:
        found = _Table()
        if self._library.kn_table(table.encode(), ctypes.byref(found)) != Code.OK:
            raise KindlingError(f"The native engine has no table {table!r}.")
        if found.stride != dtype.itemsize:
            raise LayoutError(
                f"A slot of {table} has {found.stride} bytes in the native library, {dtype.itemsize} in the probe.",
                hint="They were built from different sources: `make build`.",
            )
        memory = (ctypes.c_char * (found.count * found.stride)).from_address(found.slots or 0)
        return np.frombuffer(memory, dtype)
