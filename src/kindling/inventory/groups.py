"""Entries put together by what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kindling.identity.domains import domain_of
from kindling.inventory.counters import EVIDENCE
from kindling.inventory.items import Item, Record, numbers, total

#: The group of destinations of which only the address is known.
NO_NAME: Final = "(no name)"
#: That of workloads that are no pods.
NO_NAMESPACE: Final = "(no namespace)"


def _record(key: str, value: str, members: list[Item]) -> Record:
    """What a group holds, and how many of what."""
    return {
        key: value,
        "destinations": len({item.destination for item in members}),
        "workloads": len({item.who for item in members}),
        "ports": sorted({item.port for item in members}),
        "protocols": sorted({item.protocol for item in members}),
        "scopes": sorted({item.scope for item in members}),
        "evidence": min({item.evidence for item in members}, key=EVIDENCE.index),
        **numbers(total(members), sum(item.active for item in members)),
        "first_seen": min(item.first_seen for item in members),
        "last_seen": max(item.last_seen for item in members),
    }


def _workload(item: Item) -> str:
    who = item.who
    name = f"{who.namespace}/{who.name}" if who.namespace else who.name
    return f"{name}/{who.container}" if who.container not in {"", who.name} else name


def _namespace(item: Item) -> str:
    return item.namespace or NO_NAMESPACE


def _domain(item: Item) -> str:
    return domain_of(item.destination) if item.named else NO_NAME


def _destination(item: Item) -> str:
    return str(item.destination)


def _scope(item: Item) -> str:
    return f"{item.scope} {item.network}".rstrip()


#: What entries may be grouped by.
GROUPINGS: Final[dict[str, Callable[[Item], str]]] = {
    "destination": _destination,
    "workload": _workload,
    "namespace": _namespace,
    "domain": _domain,
    "scope": _scope,
}


def grouped(items: Iterable[Item], by: str) -> Sequence[Record]:
    """A record for each group, in no particular order."""
    value = GROUPINGS[by]
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(value(item), []).append(item)
    return [_record(by, name, members) for name, members in groups.items()]
