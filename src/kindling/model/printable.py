"""Text that others chose, made safe for terminals, labels and JSON."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Control, format (bidi overrides), surrogate, private, unassigned, line and paragraph separators:
#: what a terminal or a page may act upon instead of showing it.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(data: bytes | str) -> str:
    """UTF-8 where it is valid and visible; anything else as backslash escapes.

    A backslash itself stays single: the result is for reading, not for decoding back.
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _UNSAFE else c for c in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
