"""Maps as Python uses them: arrays read in place, events in batches, hash maps and queues element by element.

All methods raise OSError only for what cannot happen on a map that exists: a bug, or no memory.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import threading
import weakref
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kindling.capture.bpf.loader import Map
from kindling.capture.bpf.syscall import Command, MapType, Update, attributes, bpf, check, map_create, map_update
from kindling.capture.closing import Closing
from kindling.errors import LayoutError

_BUSY: Final = 1 << 31
_DISCARD: Final = 1 << 30
_RECORD_HEAD: Final = 8
_BATCH: Final = 1024


class SharedArray:
    """A BPF_F_MMAPABLE array in this process's memory: reading and writing it needs no system call.

    The kernel maps every page at once, and each counts as this process's memory: so only the first `rows` are mapped,
    more by `grow`. What is not mapped reads as zeros, and must not be written.
    """

    def __init__(self, found: Map, dtype: np.dtype[np.void], rows: int | None = None) -> None:
        spec = found.spec
        if dtype.itemsize != spec.value_bytes or spec.value_bytes % 8:
            raise LayoutError(
                f"The map {spec.name} holds values of {spec.value_bytes} bytes, its structure has {dtype.itemsize}.",
                hint="`make build`.",
            )
        self._fd = found.fd
        self._stride = spec.value_bytes
        self._mapped = 0
        self._bytes = _pages(self._stride * spec.entries)
        self._address = _mmap(0, self._bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE, -1, 0)
        memory = (ctypes.c_char * self._bytes).from_address(self._address)
        # unmapped when the last array that looks at it is gone
        weakref.finalize(memory, _libc.munmap, self._address, self._bytes).atexit = False
        self.rows: NDArray[np.void] = np.frombuffer(memoryview(memory), dtype, spec.entries)
        self.grow(spec.entries if rows is None else rows)

    def grow(self, rows: int) -> None:
        """Map at least so many rows."""
        wanted = min(_pages(rows * self._stride), self._bytes)
        if wanted > self._mapped:
            at, size = self._address + self._mapped, wanted - self._mapped
            _mmap(at, size, mmap.MAP_SHARED | _MAP_FIXED, self._fd, self._mapped)
            self._mapped = wanted


_MAP_FIXED: Final = 0x10
_MAP_NORESERVE: Final = 0x4000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def _mmap(address: int, size: int, flags: int, fd: int, offset: int) -> int:
    result: int | None = _libc.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, offset)
    if result is None or result == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


class Ring:
    """Reader of a BPF ring buffer that nobody wakes: it is looked at on a clock.

    Layout (kernel/bpf/ringbuf.c): a page with the reader's position, a page with the writers', then the data, mapped
    twice so that a record never wraps. Each record: length and two flags in 4 bytes, 4 more, the content; the next
    one begins at a multiple of 8.
    """

    def __init__(self, found: Map) -> None:
        page, size = mmap.PAGESIZE, found.spec.entries
        self._mask = size - 1
        consumer = mmap.mmap(found.fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        producer = mmap.mmap(found.fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._read: NDArray[np.uint64] = np.frombuffer(consumer, "<u8", 1)
        self._written: NDArray[np.uint64] = np.frombuffer(producer, "<u8", 1)
        self._heads: NDArray[np.uint32] = np.frombuffer(producer, "<u4", 2 * size // 4, page)
        self._data = memoryview(producer)[page:]
        # Taken and given back: the only way in Python to keep loads and stores on either side of a line.
        self._fence = threading.Lock()

    def drain(self) -> list[bytes]:
        """Return what was written since the last call, in the order of its reservation."""
        position = int(self._read[0])
        end = int(self._written[0])
        with self._fence:  # positions before heads
            pass
        places: list[tuple[int, int]] = []
        while position < end:
            at = position & self._mask
            head = int(self._heads[at >> 2])
            if head & _BUSY:  # reserved, not yet submitted: so is all behind it
                break
            length = head & ~_DISCARD
            if not head & _DISCARD:
                places.append((at + _RECORD_HEAD, length))
            position += (length + _RECORD_HEAD + 7) & ~7
        with self._fence:  # heads before contents
            pass
        data = self._data
        records = [bytes(data[at : at + length]) for at, length in places]
        with self._fence:  # contents before the room is given back
            self._read[0] = position
        return records


class HashMap:
    """A hash map; keys of 8 bytes, values as a structure."""

    def __init__(self, found: Map, dtype: np.dtype[np.generic]) -> None:
        if found.spec.key_bytes != 8 or dtype.itemsize != found.spec.value_bytes:
            raise LayoutError(
                f"The map {found.spec.name} does not hold what this program expects.", hint="`make build`."
            )
        self._fd = found.fd
        self._entries = found.spec.entries
        self._dtype = dtype
        self._key = ctypes.create_string_buffer(8)
        self._value = ctypes.create_string_buffer(dtype.itemsize)
        self._one = attributes(
            struct.pack("<IxxxxQQQ", found.fd, ctypes.addressof(self._key), ctypes.addressof(self._value), 0)
        )
        self._doomed = attributes(struct.pack("<IxxxxQ", found.fd, ctypes.addressof(self._key)))
        self.one_by_one = False
        """The kernel has no calls for many keys at once."""
        self.takes_in_two = False
        """It cannot remove and return a value in one step."""

    def put(self, key: int, value: bytes, flags: int = Update.ANY) -> bool:
        """Insert. False: the map is full, or (NOEXIST) the key is there."""
        self._key.raw = key.to_bytes(8, "little")
        self._value.raw = value
        struct.pack_into("<Q", self._one, 24, flags)
        result = bpf(Command.MAP_UPDATE_ELEM, self._one)
        struct.pack_into("<Q", self._one, 24, 0)
        if result in {-errno.E2BIG, -errno.EEXIST, -errno.ENOMEM}:
            return False
        check(result)
        return True

    def get(self, key: int) -> bytes | None:
        return self._found(Command.MAP_LOOKUP_ELEM, key)

    def delete(self, key: int) -> bool:
        """Remove. False: it was not there any more."""
        self._key.raw = key.to_bytes(8, "little")
        result = bpf(Command.MAP_DELETE_ELEM, self._doomed)
        if result == -errno.ENOENT:
            return False
        check(result)
        return True

    def delete_all(self, keys: Iterable[int]) -> None:
        """Remove all that are there, in as few calls as the kernel allows."""
        wanted = np.fromiter(keys, "<u8")
        at = 0
        while at < len(wanted) and not self.one_by_one:
            count = len(wanted) - at
            packed = attributes(struct.pack("<QQQQIIQQ", 0, 0, wanted.ctypes.data + at * 8, 0, count, self._fd, 0, 0))
            result = bpf(Command.MAP_DELETE_BATCH, packed)
            (done,) = struct.unpack_from("<I", packed, 32)
            if result == 0:
                return
            if result == -errno.ENOENT:
                at += done + 1  # that one was gone already
            elif result in {-errno.EINTR, -errno.EAGAIN}:
                at += done
            else:
                self.one_by_one = True
        for key in wanted[at:].tolist():
            self.delete(key)

    def take(self, key: int) -> bytes | None:
        """Remove and return the value in one step; before 5.14 in two."""
        if not self.takes_in_two:
            self._key.raw = key.to_bytes(8, "little")
            result = bpf(Command.MAP_LOOKUP_AND_DELETE_ELEM, self._one)
            if result == 0:
                return self._value.raw
            if result == -errno.ENOENT:
                return None
            self.takes_in_two = True
        value = self._found(Command.MAP_LOOKUP_ELEM, key)
        return value if value is not None and self.delete(key) else None

    def items(self) -> tuple[NDArray[np.uint64], NDArray[Any]]:
        """Return all keys and values; what comes and goes meanwhile may be missed, or seen."""
        if not self.one_by_one:
            found = batches(self._fd, self._entries, np.dtype("<u8"), self._dtype)
            if found is not None:
                return found
            self.one_by_one = True
        return self._one_by_one()

    def _one_by_one(self) -> tuple[NDArray[np.uint64], NDArray[Any]]:
        keys: list[int] = []
        values: list[bytes] = []
        following = ctypes.create_string_buffer(8)
        packed = struct.pack("<IxxxxQQQ", self._fd, 0, ctypes.addressof(following), 0)
        while len(keys) < 2 * self._entries and bpf(Command.MAP_GET_NEXT_KEY, attributes(packed)) == 0:
            key = int.from_bytes(following.raw, "little")
            value = self.get(key)
            if value is not None:
                keys.append(key)
                values.append(value)
            packed = struct.pack("<IxxxxQQQ", self._fd, ctypes.addressof(self._key), ctypes.addressof(following), 0)
            self._key.raw = following.raw
        return np.array(keys, "<u8"), np.frombuffer(b"".join(values), self._dtype)

    def _found(self, command: int, key: int) -> bytes | None:
        self._key.raw = key.to_bytes(8, "little")
        result = bpf(command, self._one)
        if result == -errno.ENOENT:
            return None
        check(result)
        return self._value.raw


def batches(
    fd: int, entries: int, key: np.dtype[Any], value: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return all keys and values of a hash map; None where the kernel has no calls for many keys at once."""
    cursor = ctypes.create_string_buffer(8)
    begun = False
    count = min(_BATCH, entries)
    keys_found: list[NDArray[Any]] = []
    values_found: list[NDArray[Any]] = []
    while True:
        keys = np.empty(count, key)
        values = np.empty(count, value)
        packed = attributes(
            struct.pack(
                "<QQQQIIQQ",
                ctypes.addressof(cursor) if begun else 0,
                ctypes.addressof(cursor),
                keys.ctypes.data,
                values.ctypes.data,
                count,
                fd,
                0,
                0,
            )
        )
        result = bpf(Command.MAP_LOOKUP_BATCH, packed)
        if result == -errno.ENOSPC:  # more in one bucket than fits
            count *= 2
            continue
        if result not in {0, -errno.ENOENT}:
            return None
        (done,) = struct.unpack_from("<I", packed, 32)
        keys_found.append(keys[:done])
        values_found.append(values[:done])
        if result:  # that was the last bucket
            return np.concatenate(keys_found), np.concatenate(values_found)
        begun = True


class Numbers:
    """A queue of 32-bit numbers."""

    def __init__(self, found: Map) -> None:
        self._value = ctypes.c_uint32()
        self._one = attributes(struct.pack("<IxxxxQQQ", found.fd, 0, ctypes.addressof(self._value), 0))

    def push(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._value.value = number
            check(bpf(Command.MAP_UPDATE_ELEM, self._one))

    def pop(self) -> int | None:
        result = bpf(Command.MAP_LOOKUP_AND_DELETE_ELEM, self._one)
        if result == -errno.ENOENT:
            return None
        check(result)
        return self._value.value


class Grace(Closing):
    """Waits until every program that runs now has ended.

    Changing a map of maps does that: maybe_wait_bpf_programs() in kernel/bpf/syscall.c.
    """

    def __init__(self) -> None:
        self.inner = map_create(MapType.ARRAY, 4, 4, 1, name="kd_grace_in")
        self.outer = map_create(MapType.ARRAY_OF_MAPS, 4, 4, 1, name="kd_grace", inner=self.inner)

    def close(self) -> None:
        os.close(self.outer)
        os.close(self.inner)

    def wait(self) -> None:
        map_update(self.outer, bytes(4), self.inner.to_bytes(4, "little"))
