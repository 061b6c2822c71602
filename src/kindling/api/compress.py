"""gzip, piece by piece, off the event loop's thread."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

#: 16 + 15: gzip format, largest window. Level 1: metrics are so repetitive that more is not worth its time.
_GZIP = 31
_LEVEL = 1


def accepts_gzip(header: str) -> bool:
    """Accept-Encoding names gzip and does not give it the weight 0 (RFC 9110, 12.5.3)."""
    for offer in header.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() == "gzip":
            weight = parameters.replace(" ", "").removeprefix("q=")
            return weight.strip("0.") != "" or not weight
    return False


async def gzip_pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    """The pieces compressed as one gzip stream; takes them out of the list."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    while pieces:
        compressed = await asyncio.to_thread(compressor.compress, pieces.pop(0))
        if compressed:
            yield compressed
    yield compressor.flush()
