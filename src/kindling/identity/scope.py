"""Where an address is, seen from this host, and which configured network it is in."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Final, NamedTuple

from kindling.config import Network
from kindling.model.labels import Scope
from kindling.wire.address import IPAddress, parsed, unmapped

_REMEMBERED: Final = 65_536
_SHARED: Final = IPv4Network("100.64.0.0/10")
"""RFC 6598: between a provider and its customers, and in clouds; ipaddress calls it neither private nor global."""

_LINK: Final = (IPv4Network("224.0.0.0/24"), IPv4Network("255.255.255.255/32"), IPv6Network("ff02::/16"))
"""Multicast and broadcast that no router passes on."""


class Place(NamedTuple):
    scope: Scope
    network: str
    """Label of the narrowest configured network that the address is in, or ""."""


class _Range(NamedTuple):
    first: int
    last: int
    network: Network


class Scopes:
    """Remembers the answer for each address; the host's own addresses may change at any time."""

    def __init__(self, networks: Iterable[Network] = (), own: Iterable[str] = (), *, learn_local: bool = False) -> None:
        """`learn_local`: local ends of flows are this host's. Not so in a capture file, whose packets show both."""
        self.changes = 0
        """Rises when an address may have changed its place."""
        self._ranges = _ranges(networks)
        self._interfaces = frozenset(own)
        """As the interfaces say."""
        self._node: frozenset[str] = frozenset()
        """Those of the host's own network namespace, empty where that cannot be told."""
        self._used: dict[str, None] = {}
        """Local ends of flows: addresses of network namespaces that cannot be entered, too."""
        self._places: dict[str, Place] = {}
        self._learn_local = learn_local

    def is_own(self, address: str) -> bool:
        return address in self._interfaces or address in self._used

    def of_node(self, address: str) -> bool:
        """Whether an own address is one of the host itself, as far as can be told, and not of a container."""
        return not self._node or address in self._node

    def update(self, own: Iterable[str]) -> None:
        """The addresses of the interfaces are these now. What a flow used stays the host's, too."""
        own = frozenset(own)
        if own != self._interfaces:
            self._forget(own ^ self._interfaces)
            self._interfaces = own

    def update_node(self, addresses: Iterable[str]) -> None:
        """The addresses in the host's own network namespace are these now."""
        self._node = frozenset(addresses)

    def reconfigure(self, networks: Iterable[Network]) -> None:
        """Other networks; every address may have another place."""
        self._ranges = _ranges(networks)
        self._places.clear()
        self.changes += 1

    def learn(self, addresses: Iterable[str]) -> None:
        """More addresses of interfaces, of a network namespace that is new for example."""
        self.update(self._interfaces.union(addresses))

    def seen_locally(self, address: str) -> None:
        """The address is the local end of a flow."""
        if self._learn_local and address and address not in self._used:
            if len(self._used) >= _REMEMBERED:
                del self._used[next(iter(self._used))]
            if not self.is_own(address):
                self._forget((address,))
            self._used[address] = None

    def place(self, address: str) -> Place:
        """What is no address at all (the remote of the flow "other") is at no other place: "loopback"."""
        place = self._places.get(address)
        if place is None:
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            place = self._places[address] = self._find(address)
        return place

    def _forget(self, addresses: Iterable[str]) -> None:
        self.changes += 1
        for address in addresses:
            self._places.pop(address, None)

    def _find(self, address: str) -> Place:
        found_ip = parsed(address)
        if found_ip is None:
            return Place("loopback", "")
        ip = unmapped(found_ip)
        found = self._configured(ip)
        scope = _scope(ip)
        if self.is_own(str(ip)):
            scope = "own" if scope != "loopback" else scope
        return Place((found and found.scope) or scope, found.label if found else "")

    def _configured(self, ip: IPAddress) -> Network | None:
        number = int(ip)
        for first, last, network in self._ranges[ip.version]:
            if first <= number <= last:
                return network
        return None


def _ranges(networks: Iterable[Network]) -> dict[int, list[_Range]]:
    """The narrowest first; of equal ones, the first."""
    found: dict[int, list[_Range]] = {4: [], 6: []}
    for network in networks:
        net: IPv4Network | IPv6Network = ip_network(network.cidr)
        found[net.version].append(_Range(int(net.network_address), int(net.broadcast_address), network))
    for ranges in found.values():
        ranges.sort(key=lambda each: each.last - each.first)
    return found


def _scope(ip: IPAddress) -> Scope:
    """By the address alone (RFC 1918, 3927, 4193, 5771, 6598, 6890)."""
    if ip.is_loopback or ip.is_unspecified:
        return "loopback"
    if ip.is_link_local or any(ip in net for net in _LINK if net.version == ip.version):
        return "link-local"
    if ip.is_multicast or ip.is_private or (isinstance(ip, IPv4Address) and ip in _SHARED):
        return "private"
    return "public"
