"""The domain that somebody registered, of which a name is part."""

from __future__ import annotations

from typing import Final

#: Second levels under which most country domains register: without a list of public suffixes this is the best guess.
_SECOND_LEVELS: Final = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "or", "org"})


def registrable(name: str) -> str:
    """`api.shop.example.co.uk` gives `example.co.uk`; a name of one label is its own."""
    labels = name.rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVELS and len(labels[-1]) == 2 else 2
    return ".".join(labels[-keep:])
