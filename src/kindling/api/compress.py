"""gzip, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

#: 16 + 15: gzip format, largest window. Level 1: metrics are so repetitive that more is not worth its time.
_GZIP: Final = 31
_LEVEL: Final = 1
_STEP: Final = 128 << 10


def accepts_gzip(header: str) -> bool:
    """Accept-Encoding names gzip and does not give it the weight 0 (RFC 9110, 12.5.3)."""
    for offer in header.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() == "gzip":
            weight = parameters.replace(" ", "").removeprefix("q=")
            return not weight or weight.strip("0.") != ""
    return False


class Gzip:
    """Pieces as one gzip stream. Each can go when it is compressed: what is large is never whole in memory."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes before they were compressed."""
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._compressed: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if compressed := self._compressor.compress(piece):
            self._compressed.append(compressed)

    def finish(self) -> bytes:
        """The stream."""
        self._compressed.append(self._compressor.flush())
        return b"".join(self._compressed)


def unzipped(stream: bytes | memoryview) -> Iterator[bytes]:
    """A whole gzip stream, in steps of no more than _STEP bytes."""
    plain = zlib.decompressobj(_GZIP)
    step = plain.decompress(stream, _STEP)
    while step:
        yield step
        step = plain.decompress(plain.unconsumed_tail, _STEP)
