"""The journal: what must outlive a killed agent, in a file that lives as long as the probe's maps.

Frames of records, each frame whole or not there at all: length and CRC-32 (little-endian) before the content, which is
MessagePack. Written at most a few times a tick, only when something is new or given back. It is meant for a tmpfs: the
page cache outlives SIGKILL, and after a reboot the journal is worth nothing anyway.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from kindling.table.marks import MARK
from kindling.table.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Record])

_FRAME: Final = struct.Struct("<II")
_FRAME_RECORDS: Final = 1_024
_LEAST_BYTES: Final = 1 << 20
"""Below that a journal is never written anew for its length."""
_GROWTH: Final = 2
_RETRY_SECONDS: Final = 30.0
MOST_BYTES: Final = 1 << 30
"""A frame longer than that is taken for garbage."""


class JournalError(Exception):
    """A whole frame that cannot be understood: another version wrote it."""


class Journal:
    """Keeps nothing: for capture files, and where restarts shall start anew."""

    failing = False

    def put(self, record: Record) -> None:
        """To be written by the next `commit`."""

    def commit(self) -> None:
        """Everything put before outlives this process from here on: all of it, or nothing."""

    @property
    def overgrown(self) -> bool:
        """Whether it wants to be written anew."""
        return False

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace the content in one step."""

    def marks(self, table: str, slots: int) -> NDArray[np.void]:
        """Memory of `counters.MARK` by slot; its content is that of the journal."""
        del table
        return np.zeros(slots, MARK)

    def close(self) -> None: ...


class FileJournal(Journal):
    """A journal in a file. Errors of the file do not stop the agent: it goes on without a journal and tries again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failing = False
        self.bytes_written = 0
        self._pending: list[Record] = []
        self._fd = -1
        self._size = 0
        self._least = _LEAST_BYTES
        self._retry_at = 0.0

    def read(self) -> Iterator[list[Record]]:
        """Each frame of what an earlier agent left; what was torn off at the end is cut away.

        To be read to the end before anything is put. Raises JournalError for a journal of another version.
        """
        self.close()
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return
        with open(self._fd, "rb", closefd=False) as file:
            while True:
                frame = _read_frame(file.read)
                if frame is None:
                    break
                yield _decode(frame)
                self._size += _FRAME.size + len(frame)
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)

    def put(self, record: Record) -> None:
        self._pending.append(record)

    def commit(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        if self._fd < 0:
            return  # failing: written anew as a whole, later
        try:
            self._append(_frame(pending))
        except OSError:
            self._fail()

    @property
    def overgrown(self) -> bool:
        if self.failing:
            return time.monotonic() >= self._retry_at
        return self._size > self._least

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace the content in one step; what was put and not committed is in it, or dropped."""
        self._pending.clear()
        fresh = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError:
            self._fail()
            return
        before = self._fd
        self._fd, self._size = fd, 0
        try:
            for frame in _frames(records):
                self._append(frame)
            fresh.replace(self.path)
        except OSError:
            _close(before)
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            self._fail()
            return
        _close(before)
        self.failing = False
        self._least = max(_LEAST_BYTES, _GROWTH * self._size)

    def marks(self, table: str, slots: int) -> NDArray[np.void]:
        size = slots * MARK.itemsize
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self.path.with_name(f"{table}.marks"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, size)  # or a write to a page that finds no room would be the end
                return np.frombuffer(mmap.mmap(fd, size), MARK)
            finally:
                os.close(fd)
        except OSError:
            return super().marks(table, slots)

    def close(self) -> None:
        _close(self._fd)
        self._fd = -1
        self._size = 0

    def _append(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._size += len(frame)
        self.bytes_written += len(frame)

    def _fail(self) -> None:
        """A journal with a hole would count wrong after a restart; none at all starts anew."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.failing = True
        self._retry_at = time.monotonic() + _RETRY_SECONDS


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


def _frames(records: Iterable[Record]) -> Iterator[bytes]:
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) == _FRAME_RECORDS:
            yield _frame(batch)
            batch.clear()
    if batch:
        yield _frame(batch)


def _frame(records: list[Record]) -> bytes:
    content = _ENCODER.encode(records)
    return _FRAME.pack(len(content), zlib.crc32(content)) + content


def _read_frame(read: Callable[[int], bytes]) -> bytes | None:
    """The content of the next frame; None where the journal ends, or was torn off."""
    head = read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    size, checksum = _FRAME.unpack(head)
    if size > MOST_BYTES:
        return None
    content = read(size)
    return content if len(content) == size and zlib.crc32(content) == checksum else None


def _decode(frame: bytes) -> list[Record]:
    try:
        return _DECODER.decode(frame)
    except msgspec.MsgspecError as error:
        raise JournalError(str(error)) from None
