"""Text from the network made safe for terminals, labels and JSON."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

#: Control, format (bidi overrides), surrogate, private, unassigned, line and paragraph separators:
#: what a terminal or a page may act upon instead of showing it.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(data: bytes) -> str:
    """UTF-8 where it is valid and visible; anything else as backslash escapes.

    A backslash itself stays single: the result is for reading, not for decoding back.
    """
    text = data.decode("utf-8", "backslashreplace")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _UNSAFE else c for c in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


@lru_cache(maxsize=1024)
def host_name(data: bytes) -> str:
    """Host of a request or SNI to the name alone: no port, no final dot, lower case.

    RFC 9110 section 7.2: Host = uri-host [":" port]; IPv6 literals stand in brackets.
    """
    text = printable(data).strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    if colon and ":" not in host and (port.isdigit() or not port):
        text = host
    return text.removesuffix(".")
