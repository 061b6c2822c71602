"""Who asks, as far as an address tells."""

from __future__ import annotations

from ipaddress import IPv6Address

from starlette.types import Scope

from kindling.wire.address import parsed, unmapped


def peer_of(scope: Scope) -> str:
    """The address; of IPv6 its /64, for a host has as many addresses there as it likes."""
    client = scope.get("client")
    return network_of(client[0]) if client else ""


def network_of(address: str) -> str:
    """What is counted together."""
    found = parsed(address)
    if found is None:
        return address
    ip = unmapped(found)
    if isinstance(ip, IPv6Address) and not ip.is_loopback:
        return f"{IPv6Address(int(ip) >> 64 << 64)}/64"
    return str(ip)
