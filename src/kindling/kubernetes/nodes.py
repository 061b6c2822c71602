"""Nodes by their addresses, the first ones of their pod ranges (the gateway of the CNI's bridge) too."""

from __future__ import annotations

from collections.abc import Iterable, KeysView
from dataclasses import dataclass
from ipaddress import ip_network

from kindling.kubernetes.objects import Node

_ADDRESSES = ("InternalIP", "ExternalIP")


@dataclass(frozen=True, slots=True)
class KnownNode:
    name: str
    addresses: frozenset[str]
    ip: str
    """Its first InternalIP, "" for none."""


class Nodes:
    def __init__(self) -> None:
        self._by_uid: dict[str, KnownNode] = {}
        self._by_address: dict[str, KnownNode] = {}
        self._ips: dict[str, str] = {}
        self._changed: set[str] = set()

    def put(self, node: Node) -> None:
        uid = node.metadata.uid
        known = KnownNode(node.metadata.name, frozenset(_addresses(node)), _internal(node))
        if self._by_uid.get(uid) == known:
            return
        self.delete(uid)
        self._by_uid[uid] = known
        self._ips[known.name] = known.ip
        for address in known.addresses:
            self._by_address[address] = known
        self._changed |= known.addresses

    def delete(self, uid: str) -> None:
        known = self._by_uid.pop(uid, None)
        if known:
            self._ips.pop(known.name, None)
        for address in known.addresses if known else ():
            if self._by_address.get(address) is known:
                del self._by_address[address]
        self._changed |= known.addresses if known else frozenset()

    def keep_only(self, uids: frozenset[str]) -> None:
        for uid in [uid for uid in self._by_uid if uid not in uids]:
            self.delete(uid)

    def at(self, address: str) -> str:
        """Name of the node that has an address, "" for none."""
        known = self._by_address.get(address)
        return known.name if known else ""

    def ip(self, node: str) -> str:
        """By which a node is known to the others, "" where that is not known."""
        return self._ips.get(node, "")

    @property
    def addresses(self) -> KeysView[str]:
        return self._by_address.keys()

    def take_changed(self) -> set[str]:
        """Addresses that another node has, or none any more, since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def __len__(self) -> int:
        return len(self._by_uid)


def _internal(node: Node) -> str:
    return next((each.address for each in node.status.addresses or () if each.type == "InternalIP"), "")


def _addresses(node: Node) -> Iterable[str]:
    for each in node.status.addresses or ():
        if each.type in _ADDRESSES:
            yield each.address
    for cidr in node.spec.pod_cidrs or ():
        try:
            network = ip_network(cidr, strict=False)
        except ValueError:
            continue
        if network.num_addresses > 1:
            yield str(network[1])
