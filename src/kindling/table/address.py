"""Addresses as the probe holds them: 16 bytes, IPv4 as v4-mapped IPv6."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

_MAPPED: Final = bytes(10) + b"\xff\xff"


@lru_cache(maxsize=4096)
def address_text(address: bytes) -> str:
    """Text as in "192.0.2.1" or "2001:db8::1"; 16 zero bytes are "" (not known)."""
    if address.startswith(_MAPPED):
        return inet_ntop(AF_INET, address[12:])
    return inet_ntop(AF_INET6, address) if any(address) else ""
