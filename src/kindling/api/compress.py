"""gzip, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

#: 16 + 15: gzip format, largest window. Level 1: metrics are so repetitive that more is not worth its time.
_GZIP: Final = 31
_LEVEL: Final = 1


def accepts_gzip(header: str) -> bool:
    """Accept-Encoding names gzip and does not give it the weight 0 (RFC 9110, 12.5.3)."""
    for offer in header.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() == "gzip":
            weight = parameters.replace(" ", "").removeprefix("q=")
            return not weight or weight.strip("0.") != ""
    return False


def gzipped(pieces: Iterable[bytes]) -> bytes:
    """The pieces as one gzip stream. Each can go when it is compressed: what is large is never whole in memory."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    compressed = [compressor.compress(piece) for piece in pieces]
    return b"".join((*compressed, compressor.flush()))
