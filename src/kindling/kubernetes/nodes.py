"""Nodes by their addresses, those of their bridges (the first of a pod range) too, and the ranges of their pods."""

from __future__ import annotations

from collections.abc import Iterable, KeysView
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from kindling.kubernetes.objects import Node
from kindling.kubernetes.ranges import Ranges

_ADDRESSES = ("InternalIP", "ExternalIP")


@dataclass(frozen=True, slots=True)
class KnownNode:
    name: str
    addresses: frozenset[str]
    ip: str
    """Its first InternalIP, "" for none."""
    ranges: tuple[IPv4Network | IPv6Network, ...]
    """Of the addresses of its pods."""


class Nodes:
    def __init__(self) -> None:
        self._by_uid: dict[str, KnownNode] = {}
        self._by_address: dict[str, dict[str, KnownNode]] = {}
        """By address and uid: nodes behind one gateway may name its address as their ExternalIP."""
        self._by_name: dict[str, KnownNode] = {}
        self.pods = Ranges()
        """Addresses that pods have or may get, where the cluster gives out ranges by node."""
        self._changed: set[str] = set()

    def put(self, node: Node) -> None:
        uid = node.metadata.uid
        known = _known(node)
        if self._by_uid.get(uid) == known:
            return
        self.delete(uid)
        self._by_uid[uid] = known
        self._by_name[known.name] = known
        for address in known.addresses:
            self._by_address.setdefault(address, {})[uid] = known
        for network in known.ranges:
            self.pods.add(network)
        self._changed |= known.addresses

    def delete(self, uid: str) -> None:
        known = self._by_uid.pop(uid, None)
        if known is None:
            return
        if self._by_name.get(known.name) is known:
            del self._by_name[known.name]
        for address in known.addresses:
            sharing = self._by_address[address]
            del sharing[uid]
            if not sharing:
                del self._by_address[address]
        for network in known.ranges:
            self.pods.remove(network)
        self._changed |= known.addresses

    def keep_only(self, uids: frozenset[str]) -> None:
        for uid in [uid for uid in self._by_uid if uid not in uids]:
            self.delete(uid)

    def at(self, address: str) -> str:
        """Name of the node that has an address, "" for none; of several the first."""
        return min((each.name for each in self._by_address.get(address, {}).values()), default="")

    def shared(self, address: str) -> bool:
        """Whether several nodes have it."""
        return len(self._by_address.get(address, ())) > 1

    def ip(self, node: str) -> str:
        """By which a node is known to the others, "" where that is not known."""
        known = self._by_name.get(node)
        return known.ip if known else ""

    def addresses_of(self, node: str) -> frozenset[str]:
        known = self._by_name.get(node)
        return known.addresses if known else frozenset()

    @property
    def addresses(self) -> KeysView[str]:
        return self._by_address.keys()

    def take_changed(self) -> set[str]:
        """Addresses that another node has, or none any more, since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def __len__(self) -> int:
        return len(self._by_uid)


def _known(node: Node) -> KnownNode:
    ranges = tuple(_ranges(node))
    addresses = [each.address for each in node.status.addresses or () if each.type in _ADDRESSES]
    gateways = [str(network[1]) for network in ranges if network.num_addresses > 1]
    return KnownNode(node.metadata.name, frozenset((*addresses, *gateways)), _internal(node), ranges)


def _internal(node: Node) -> str:
    return next((each.address for each in node.status.addresses or () if each.type == "InternalIP"), "")


def _ranges(node: Node) -> Iterable[IPv4Network | IPv6Network]:
    for cidr in node.spec.pod_cidrs or ():
        with suppress(ValueError):
            yield ip_network(cidr, strict=False)
