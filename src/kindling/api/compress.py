"""gzip, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

#: 16 + 15: gzip format, largest window. Level 1: metrics are so repetitive that more is not worth its time.
_GZIP: Final = 31
_LEVEL: Final = 1
#: Compressed in about a millisecond: what else the loop has to do waits no longer.
_SLICE: Final = 1 << 18


def accepts_gzip(header: str) -> bool:
    """Accept-Encoding names gzip and does not give it the weight 0 (RFC 9110, 12.5.3)."""
    for offer in header.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() == "gzip":
            weight = parameters.replace(" ", "").removeprefix("q=")
            return not weight or weight.strip("0.") != ""
    return False


async def gzip_pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    """The pieces compressed as one gzip stream; takes them out of the list."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    while pieces:
        piece = memoryview(pieces.pop(0))
        for start in range(0, len(piece), _SLICE):
            compressed = compressor.compress(piece[start : start + _SLICE])
            if compressed:
                yield compressed
    yield compressor.flush()
