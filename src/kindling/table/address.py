"""Addresses of slots and events as text; few of them come again and again."""

from __future__ import annotations

from functools import lru_cache

from kindling.wire.address import to_text


@lru_cache(maxsize=4096)
def address_text(address: bytes) -> str:
    """Text of an address; 16 zero bytes are "" (not known)."""
    return to_text(address) if any(address) else ""
