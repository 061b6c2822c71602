"""Addresses as the probe keeps them: 16 bytes in network order, IPv4 as v4-mapped IPv6 (RFC 4291, section 2.5.5.2); and
as others write them.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from kindling.errors import InputError

IPAddress = IPv4Address | IPv6Address

_MAPPED = bytes(10) + b"\xff\xff"


def to_text(address: bytes) -> str:
    """Return `192.0.2.1` for a v4-mapped address, else the shortest IPv6 text (RFC 5952)."""
    if len(address) != 16:
        raise InputError(f"An address has 16 bytes, not {len(address)}.")
    if address.startswith(_MAPPED):
        return "%d.%d.%d.%d" % tuple(address[12:])  # noqa: UP031 -- twice as fast as the alternatives
    return socket.inet_ntop(socket.AF_INET6, address)


def to_bytes(text: str) -> bytes:
    """Return the 16 bytes of an IPv4 or IPv6 address."""
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text)
        return _MAPPED + socket.inet_pton(socket.AF_INET, text)
    except OSError:
        raise InputError(f"{text!r} is no IP address.") from None


def is_v4(address: bytes) -> bool:
    return address.startswith(_MAPPED)


def parsed(text: str) -> IPAddress | None:
    """Return the address of a text without its zone (`fe80::1%eth0`, RFC 4007); None for what is none."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def unmapped(ip: IPAddress) -> IPAddress:
    """Return the IPv4 address of a v4-mapped one, else the address itself."""
    return ip.ipv4_mapped if isinstance(ip, IPv6Address) and ip.ipv4_mapped else ip


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
