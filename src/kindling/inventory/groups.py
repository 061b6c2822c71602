"""Entries put together by what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kindling.inventory.counters import EVIDENCE
from kindling.inventory.domain import registrable
from kindling.inventory.items import Item, Record, added, numbers

#: The group of destinations of which only the address is known.
NO_NAME: Final = "(no name)"


class Group:
    """Attributes as those of an item, and how many of what it holds."""

    def __init__(self, value: str, first: Item) -> None:
        self.value = value
        self.evidence = first.evidence
        self.first_seen, self.last_seen = first.first_seen, first.last_seen
        self.counters = (0,) * len(first.counters)
        self.active = 0
        self._destinations: set[str] = set()
        self._workloads: set[object] = set()
        self._ports: set[int] = set()
        self._protocols: set[str] = set()
        self._scopes: set[str] = set()

    def add(self, item: Item) -> None:
        self.counters = added(self.counters, item.counters)
        self.active += item.active
        self.evidence = min(self.evidence, item.evidence, key=EVIDENCE.index)
        self.first_seen = min(self.first_seen, item.first_seen)
        self.last_seen = max(self.last_seen, item.last_seen)
        self._destinations.add(item.destination)
        self._workloads.add(item.who)
        self._ports.add(item.port)
        self._protocols.add(item.protocol)
        self._scopes.add(item.scope)

    def record(self, key: str) -> Record:
        return {
            key: self.value,
            "destinations": len(self._destinations),
            "workloads": len(self._workloads),
            "ports": sorted(self._ports),
            "protocols": sorted(self._protocols),
            "scopes": sorted(self._scopes),
            "evidence": self.evidence,
            **numbers(self.counters, self.active),
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
        }


def _workload(item: Item) -> str:
    who = item.who
    name = f"{who.namespace}/{who.name}" if who.namespace else who.name
    return f"{name}/{who.container}" if who.container not in {"", who.name} else name


def _domain(item: Item) -> str:
    return registrable(item.destination) if item.named else NO_NAME


def _destination(item: Item) -> str:
    return str(item.destination)


def _scope(item: Item) -> str:
    return f"{item.scope} {item.network}".rstrip()


#: What entries may be grouped by.
GROUPINGS: Final[dict[str, Callable[[Item], str]]] = {
    "destination": _destination,
    "workload": _workload,
    "domain": _domain,
    "scope": _scope,
}


def grouped(items: Iterable[Item], by: str) -> Sequence[Record]:
    """A record for each group, in no particular order."""
    value = GROUPINGS[by]
    groups: dict[str, Group] = {}
    for item in items:
        name = value(item)
        group = groups.get(name)
        if group is None:
            group = groups[name] = Group(name, item)
        group.add(item)
    return [group.record(by) for group in groups.values()]
