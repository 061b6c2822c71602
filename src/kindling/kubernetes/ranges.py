"""Address ranges, many of few sizes: whether an address is in one of them."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from kindling.wire.address import parsed

_BITS: Final = {4: 32, 6: 128}


class Ranges:
    """The same range may be there more than once."""

    def __init__(self) -> None:
        self._prefixes: dict[tuple[int, int], Counter[int]] = {}
        """By version and length in bits."""

    def add(self, network: IPv4Network | IPv6Network) -> None:
        version, length = network.version, network.prefixlen
        prefix = int(network.network_address) >> (_BITS[version] - length)
        self._prefixes.setdefault((version, length), Counter())[prefix] += 1

    def remove(self, network: IPv4Network | IPv6Network) -> None:
        """One that was added."""
        version, length = network.version, network.prefixlen
        prefixes = self._prefixes[version, length]
        prefix = int(network.network_address) >> (_BITS[version] - length)
        prefixes[prefix] -= 1
        if not prefixes[prefix]:
            del prefixes[prefix]
        if not prefixes:
            del self._prefixes[version, length]

    def __contains__(self, address: str) -> bool:
        ip = parsed(address)
        if ip is None:
            return False
        bits, number = ip.max_prefixlen, int(ip)
        return any(
            number >> (bits - length) in prefixes
            for (version, length), prefixes in self._prefixes.items()
            if version == ip.version
        )
