"""Entries as they are read: one for each workload, destination, port and transport.

A connection that never came to be, or whose protocol was not told, is stored under the protocol `unknown`; here it
joins the entry of the same port whose protocol is known.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any, Final

from kindling.inventory.counters import COUNTERS, EVIDENCE, TOTALS
from kindling.inventory.entries import DAY_SECONDS
from kindling.model.codes import FAILURE_NAMES

Record = dict[str, Any]

_ENTRIES: Final = (
    "SELECT id, workload, destination, port, transport, protocol, scope, network, named, evidence, inferred, "  # noqa: S608
    f"min(first_seen, last_seen), addresses, more_addresses, last_seen, tls_version, alpn, {', '.join(COUNTERS)} "
    "FROM entry JOIN tally ON tally.entry = entry.id"
)
_COUNTERS_FROM: Final = 17
_DAYS: Final = (
    f"SELECT entry, {', '.join(f'sum({name})' for name in COUNTERS)} FROM daily "  # noqa: S608
    "WHERE entry != 0 AND day BETWEEN ? AND ? GROUP BY entry"
)
_NOTHING: Final = (0,) * len(COUNTERS)
_FAILED: Final = slice(3, len(TOTALS))
LAST_DAY: Final = 1 << 40


class Who:
    """A workload."""

    __slots__ = ("_details", "container", "kind", "name", "namespace")

    def __init__(self, kind: str, namespace: str, name: str, container: str, details: str) -> None:
        self.kind, self.namespace, self.name, self.container = kind, namespace, name, container
        self._details = details

    def record(self) -> Record:
        """As `export.records.workload`."""
        get = json.loads(self._details).get
        return {
            "workload": self.name,
            "workload_kind": self.kind,
            "namespace": self.namespace,
            "container": self.container,
            "container_id": get("container_id", ""),
            "pod": "",
            "pid": get("pid", 0),
            "comm": get("comm", ""),
            "exe": get("exe", ""),
        }


#: Columns whose few texts many rows have: transport, protocol, scope, network, evidence, tls_version, alpn.
_COMMON: Final = (4, 5, 6, 7, 9, 15, 16)


def _slim(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without its counters, each common text in memory once: answers of 10,000 rows take a third less so."""
    slim = list(values[:_COUNTERS_FROM])
    for column in _COMMON:
        slim[column] = intern(slim[column])
    return tuple(slim)


class Item:
    """An entry with its numbers. What sorting and filters ask for are attributes; most are read where they lie, for
    of many entries few are shown.
    """

    __slots__ = ("_values", "active", "counters", "first_seen", "ids", "last_seen", "protocol", "who")

    def __init__(self, who: Who, values: tuple[Any, ...]) -> None:
        """`values`: a row of _ENTRIES."""
        self.who = who
        self.ids: tuple[int, ...] = values[:1]
        self.protocol: str = values[5]
        self.first_seen: float = values[11]
        self.last_seen: float = values[14]
        self.counters: tuple[int, ...] = values[_COUNTERS_FROM:]
        self.active = 0
        self._values = _slim(values)

    destination = property(lambda self: self._values[2])
    port = property(lambda self: self._values[3])
    transport = property(lambda self: self._values[4])
    scope = property(lambda self: self._values[6])
    network = property(lambda self: self._values[7])
    named = property(lambda self: self._values[8])
    evidence = property(lambda self: self._values[9])
    inferred = property(lambda self: self._values[10])
    remote_ip = property(lambda self: self._values[12], doc="All addresses, to be searched.")
    more_addresses = property(lambda self: self._values[13])
    tls_version = property(lambda self: self._values[15])
    alpn = property(lambda self: self._values[16])

    @property
    def workload(self) -> str:
        return self.who.name

    @property
    def namespace(self) -> str:
        return self.who.namespace

    @property
    def container(self) -> str:
        return self.who.container

    @property
    def role(self) -> str:
        return "client"

    @property
    def addresses(self) -> list[str]:
        """The newest first."""
        return str(self._values[12]).split(" ")[::-1]

    @property
    def connections(self) -> int:
        return self.counters[0]

    @property
    def bytes_out(self) -> int:
        return self.counters[1]

    @property
    def bytes_in(self) -> int:
        return self.counters[2]

    @property
    def failures(self) -> int:
        return sum(self.counters[_FAILED])

    @property
    def name(self) -> str:
        return str(self.destination) if self.named else ""

    def join(self, other: Item) -> None:
        """Takes over what another entry counted."""
        self.ids += other.ids
        self.counters = tuple([a + b for a, b in zip(self.counters, other.counters, strict=True)])
        self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)
        known = set(self.addresses)
        more = [address for address in str(other.remote_ip).split(" ") if address not in known]
        values = list(self._values)
        values[9] = min(self.evidence, other.evidence, key=EVIDENCE.index)
        values[10] |= other.inferred
        values[12] = " ".join([*more, self.remote_ip])
        values[13] = max(self.more_addresses, other.more_addresses)
        self._values = tuple(values)

    def record(self) -> Record:
        """As `export.records.external`, and what only the list knows."""
        return {
            **self.who.record(),
            "destination": self.destination,
            "name": self.name,
            "evidence": self.evidence,
            "addresses": self.addresses,
            "more_addresses": self.more_addresses,
            "port": self.port,
            "transport": self.transport,
            "protocol": self.protocol,
            "scope": self.scope,
            "network": self.network,
            "inferred": bool(self.inferred),
            **numbers(self.counters, self.active),
            "tls_version": self.tls_version,
            "alpn": self.alpn,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
        }


def total(items: Iterable[Item]) -> tuple[int, ...]:
    """The counters of all, column by column."""
    return tuple([sum(column) for column in zip(*[item.counters for item in items], strict=True)]) or _NOTHING


def numbers(counters: tuple[int, ...], active: int) -> Record:
    """The counters of a record."""
    failed = dict(zip(FAILURE_NAMES, counters[_FAILED], strict=True))
    by_evidence = dict(zip(EVIDENCE, counters[len(TOTALS) :], strict=True))
    return {
        "connections": counters[0],
        "active": active,
        "failures": sum(failed.values()),
        "failed": {reason: n for reason, n in failed.items() if n},
        "bytes_out": counters[1],
        "bytes_in": counters[2],
        "connections_by_evidence": {evidence: n for evidence, n in by_evidence.items() if n},
    }


def workloads(connection: sqlite3.Connection) -> dict[int, Who]:
    found = connection.execute("SELECT id, kind, namespace, name, container, details FROM workload")
    return {number: Who(*values) for number, *values in found}


def items(
    connection: sqlite3.Connection,
    since: float | None = None,
    until: float | None = None,
    only: Sequence[int] | None = None,
) -> list[Item]:
    """Entries that were seen within a time, with what they counted on the days (UTC) that it touches.

    `only`: of the entries with these numbers.
    """
    who = workloads(connection)
    condition: list[str] = []
    bounds: list[float] = []
    if since is not None:
        condition.append("last_seen >= ?")
        bounds.append(since)
    if until is not None:
        condition.append("min(first_seen, last_seen) <= ?")
        bounds.append(until)
    if only is not None:
        condition.append("id IN (SELECT value FROM json_each(?))")
    where = f" WHERE {' AND '.join(condition)}" if condition else ""
    values = bounds if only is None else [*bounds, json.dumps(list(only))]
    found = [Item(who[row[1]], row) for row in connection.execute(_ENTRIES + where, values)]
    if since is not None or until is not None:
        _count_days_only(connection, found, since, until)
    return _joined(found)


def day_of(unix: float) -> int:
    return int(unix // DAY_SECONDS)


def _count_days_only(
    connection: sqlite3.Connection, found: Iterable[Item], since: float | None, until: float | None
) -> None:
    first = day_of(since) if since is not None else 0
    last = day_of(until) if until is not None else LAST_DAY
    days = {entry: tuple(counters) for entry, *counters in connection.execute(_DAYS, (first, last))}
    for item in found:
        if day_of(item.first_seen) < first or day_of(item.last_seen) > last:
            item.counters = days.get(item.ids[0], _NOTHING)


def _joined(found: list[Item]) -> list[Item]:
    """Without entries of an unknown protocol that have a known sibling."""
    unknown = [item for item in found if item.protocol == "unknown"]
    if not unknown or len(unknown) == len(found):
        return found
    known: dict[tuple[object, ...], Item] = {}
    for item in found:
        if item.protocol != "unknown":
            key = (item.who, item.destination, item.port, item.transport, item.scope)
            first = known.setdefault(key, item)
            if item.connections > first.connections:
                known[key] = item
    kept = [item for item in found if item.protocol != "unknown"]
    for item in unknown:
        sibling = known.get((item.who, item.destination, item.port, item.transport, item.scope))
        if sibling:
            sibling.join(item)
        else:
            kept.append(item)
    return kept
