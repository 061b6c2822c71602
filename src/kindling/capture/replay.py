"""A capture file as a source of the probe's tables: the same C code reads it as runs in the kernel.

with ReplaySource.open(path) as source:
    source.fill(lambda done, total: ...)
    collector = Collector(source, identify=Addresses(), clock=source.seconds)
    collector.tick(final=True)
    if source.fault: raise source.fault
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, Self

import numpy as np
from numpy.typing import NDArray

from kindling.capture.closing import Closing
from kindling.capture.native import Code, Counts, Engine
from kindling.capture.source import Announce, no_announcement
from kindling.errors import CaptureError
from kindling.model.workload import Workload
from kindling.wire.address import to_text

Progress = Callable[[int, int], None]
"""Called with the bytes of the file that are read, and its size (0: not known)."""

_PIECE: Final = 1 << 20
_UNPACKED_PIECE: Final = 4 << 20
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib: a gzip header and the largest window
_SECOND: Final = 1_000_000_000
_QUERY_PATIENCE_NS: Final = 10 * _SECOND
"""A query this old gives its place to another one; it stays unanswered."""
_KEPT_EVENTS: Final = 50_000


class Addresses:
    """Workloads of a capture: packets do not tell of processes, so each address is one."""

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        """Return the workload of an owner; native/home.h puts an address's halves in the place of these two numbers."""
        del comm, tgid, uid
        return Workload(kind="unknown", name=to_text(struct.pack("<QQ", cgroup, netns)))

    def adopted(self, owner: int) -> Workload | None:
        """Return nothing: no owner of a capture is given from outside."""
        del owner
        return None


class ReplaySource(Closing):
    """Satisfies `capture.source.Source`. One at a time in a process."""

    def __init__(self, file: BinaryIO, name: str, size: int) -> None:
        self.fault: CaptureError | None = None
        """What ended the reading early; everything before it is in the tables."""
        self._resources = ExitStack()
        self._resources.push(file)
        self._file = file
        self._name = name
        self._size = size
        self._engine = Engine()
        self._resources.callback(self._engine.close)
        self._events: deque[bytes] = deque()
        self._events_lost = 0
        self._unanswered: list[bytes] = []

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file, or standard input by the name `-`. Raises CaptureError when it cannot be read."""
        if str(path) == "-":
            return cls(sys.stdin.buffer, "standard input", 0)
        try:
            file = path.open("rb")
        except OSError as error:
            raise CaptureError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
        try:
            return cls(file, str(path), path.stat().st_size)
        except BaseException:
            file.close()
            raise

    def fill(self, progress: Progress | None = None) -> None:
        """Read the whole file. A fault is kept in `fault`, not raised: what was read before it counts."""
        try:
            for piece in self._pieces(progress):
                if not self._engine.feed(piece):
                    break
                self._drain()
        except (OSError, zlib.error) as error:
            self.fault = CaptureError(f"{self._name} cannot be read to its end: {str(error).lower()}.", hint=_KEPT)
        self._engine.finish()
        self._drain()
        self._judge()

    def counts(self) -> Counts:
        """What became of the packets."""
        return self._engine.counts()

    def seconds(self) -> float:
        """Time of the newest packet, unix seconds."""
        return self.now() / _SECOND

    # --- Source -------------------------------------------------------------------------------

    def slots(self, table: str) -> NDArray[np.void]:
        return self._engine.slots(table)

    def dtype(self, structure: str) -> np.dtype[np.void]:
        return self._engine.dtype(structure)

    def lost(self) -> dict[str, int]:
        lost = self._engine.lost()
        lost["event_ring"] = lost.get("event_ring", 0) + self._events_lost
        lost["storage"] = lost.get("storage", 0) + self._engine.counts().evicted
        return lost

    def events(self) -> Iterable[bytes]:
        while self._events:
            yield self._events.popleft()

    def release(self, table: str, slots: Sequence[int], ids: Sequence[int], fold: Callable[[], None]) -> None:
        """Do nothing: a file ends before its slots are worth giving back."""

    def expire_queries(self, older_than_ns: int, announce: Announce = no_announcement) -> list[bytes]:
        del announce  # a file can be read again
        expired, self._unanswered = self._unanswered, []
        return expired + list(self._engine.expire(older_than_ns))

    def refill(self) -> None:
        """Do nothing: all free numbers were queued at the start."""

    def now(self) -> int:
        return self._engine.now()

    def close(self) -> None:
        self._resources.close()

    # --- the file -----------------------------------------------------------------------------

    def _pieces(self, progress: Progress | None) -> Iterator[bytes]:
        first = self._read(progress, 0)
        if first.startswith(_GZIP):
            yield from self._unpacked(first, progress)
            return
        done = 0
        while first:
            done += len(first)
            yield first
            first = self._read(progress, done)

    def _read(self, progress: Progress | None, done: int) -> bytes:
        if progress:
            progress(done, self._size)
        return self._file.read(_PIECE)

    def _unpacked(self, packed: bytes, progress: Progress | None) -> Iterator[bytes]:
        """Unpack a gzip file of one or several members; one that is cut off gives what can be unpacked."""
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        done = 0
        while packed:
            done += len(packed)
            while packed:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(_GZIP_WINDOW)
                yield unpacker.decompress(packed, _UNPACKED_PIECE)
                packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            packed = self._read(progress, done)
        if not unpacker.eof:
            self.fault = CaptureError(f"{self._name}: the gzip file is cut off.", hint=_KEPT)

    def _drain(self) -> None:
        self._events.extend(self._engine.events())
        while len(self._events) > _KEPT_EVENTS:
            self._events.popleft()
            self._events_lost += 1
        self._unanswered.extend(self._engine.expire(self.now() - _QUERY_PATIENCE_NS))

    def _judge(self) -> None:
        fault = self._engine.fault()
        counts = self._engine.counts()
        if fault is None:
            if counts.packets and counts.packets == counts.unknown_link:
                self.fault = self.fault or CaptureError(
                    f"{self._name} holds {counts.packets} packets, none of a link type that can be read.",
                    hint="Read are Ethernet, Linux cooked (v1, v2), raw IP and loopback.",
                )
            return
        if fault.code is Code.FORMAT:
            self.fault = CaptureError(
                f"{self._name} is no capture file: {fault.reason}.",
                hint="pcap and pcapng can be read, also packed by gzip.",
            )
        elif self.fault is None:
            self.fault = CaptureError(
                f"{self._name}: {fault.reason}, at byte {fault.offset} after {counts.packets} packets.", hint=_KEPT
            )


_KEPT: Final = "What was read before is shown."
