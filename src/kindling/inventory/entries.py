"""Rows of the live table, added to the entries they belong to.

For each row that changed: its totals less what was applied before are added to the entry and to the day, and the totals
become what was applied, all in one transaction. So an agent that is killed neither doubles nor loses.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Final

from kindling.inventory.counters import COUNTERS, EVIDENCE, EVIDENCE_UNITS, TOTALS
from kindling.inventory.identity import row_key
from kindling.inventory.novelty import Novelty, NoveltyKind
from kindling.model import FlowLabels, FlowRow, Workload

DAY_SECONDS: Final = 86_400
#: The entry of `daily` and `applied` that stands for none.
NO_ENTRY: Final = 0

_NOTHING: Final = (0,) * len(TOTALS)
_TELLING: Final = ("kind", "namespace", "name", "container")
#: What else is known of a workload, whatever that is.
_DETAILS: Final = tuple(each.name for each in fields(Workload) if each.name not in (*_TELLING, "pod", "pod_uid"))
_FIND_WORKLOAD: Final = (
    "SELECT id, details FROM workload WHERE kind = ? AND namespace = ? AND name = ? AND container = ?"
)
_INSERT_WORKLOAD: Final = "INSERT INTO workload (kind, namespace, name, container, details) VALUES (?, ?, ?, ?, ?)"


def _adding(table: str, keys: str, others: str = "") -> str:
    """Insert, or add the counters to those of the row with these keys."""
    columns = ", ".join(COUNTERS)
    marks = ", ".join("?" * (len(keys.split(", ")) + len(COUNTERS)))
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTERS)
    return f"INSERT INTO {table} ({keys}, {columns}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {others}{sums}"  # noqa: S608


_ADD_TALLY: Final = _adding(
    "tally",
    "entry, last_seen, tls_version, alpn",
    # a last sight in the future was taken before the clock was set back
    "last_seen = CASE WHEN last_seen > excluded.last_seen + 60 THEN excluded.last_seen "
    "ELSE max(last_seen, excluded.last_seen) END, "
    "tls_version = CASE excluded.tls_version WHEN '' THEN tls_version ELSE excluded.tls_version END, "
    "alpn = CASE excluded.alpn WHEN '' THEN alpn ELSE excluded.alpn END, ",
)
_ADD_DAILY: Final = _adding("daily", "day, entry")
_APPLIED: Final = f"SELECT entry, {', '.join(TOTALS)} FROM applied WHERE row = ?"  # noqa: S608
_APPLY: Final = (
    f"INSERT OR REPLACE INTO applied (row, entry, seen, {', '.join(TOTALS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * (3 + len(TOTALS)))})"
)
_FIND: Final = (
    "SELECT id, first_seen, evidence, inferred, addresses, more_addresses, network FROM entry WHERE workload = ? "
    "AND destination = ? AND port = ? AND transport = ? AND protocol = ? AND scope = ?"
)
_PORTS: Final = "SELECT port, transport FROM entry WHERE workload = ? AND destination = ?"
_INSERT: Final = (
    "INSERT INTO entry (workload, destination, port, transport, protocol, scope, named, evidence, inferred, "
    "first_seen, addresses, more_addresses, network) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"
)
_UPDATE: Final = (
    "UPDATE entry SET first_seen = ?, evidence = ?, inferred = ?, addresses = ?, more_addresses = ?, network = ? "
    "WHERE id = ?"
)


#: As _FIND gives it.
_Found = tuple[int, float, str, int, str, int, str]


@dataclass(slots=True)
class Applying:
    """One transaction's worth of rows."""

    connection: sqlite3.Connection
    max_addresses: int
    novelties: list[Novelty] = field(default_factory=list)
    _tallies: list[tuple[object, ...]] = field(default_factory=list)
    _days: list[tuple[object, ...]] = field(default_factory=list)
    _applied: list[tuple[object, ...]] = field(default_factory=list)

    def apply(self, rows: Iterable[FlowRow]) -> None:
        """All of it. Each row once."""
        self.try_on(rows)
        self.connection.executemany(_APPLY, self._applied)

    def try_on(self, rows: Iterable[FlowRow], *, days: bool = True) -> None:
        """What a question sees, in a transaction that is rolled back: half the work. `days`: the history too."""
        for row in rows:
            self._apply_one(row)
        self.connection.executemany(_ADD_TALLY, self._tallies)
        if days:
            self.connection.executemany(_ADD_DAILY, self._days)

    def _apply_one(self, row: FlowRow) -> None:
        totals = (row.opened, row.bytes_out, row.bytes_in, *row.failed.values())
        key = row_key(row)
        known = self.connection.execute(_APPLIED, (key,)).fetchone()
        entry, before = (known[0], known[1:]) if known else (NO_ENTRY, _NOTHING)
        added = tuple([now - then for now, then in zip(totals, before, strict=True)])
        if min(added) < 0:
            added = totals  # counted anew under the same first sight
        if not any(added):
            return
        labels, seen = row.labels, row.last_seen
        entry = entry or self._entry(row)
        opened = added[0]
        added += tuple([opened * unit for unit in EVIDENCE_UNITS[labels.evidence]]) if opened else _NO_EVIDENCE
        self._tallies.append((entry, seen, row.tls_version, row.alpn, *added))
        self._days.append((int(seen // DAY_SECONDS), entry, *added))
        self._applied.append((key, entry, seen, *totals))

    def _entry(self, row: FlowRow) -> int:
        """The entry of a row that was not applied before; a new one when there is none."""
        labels = row.labels
        workload = self._workload(labels.workload)
        destination = labels.name or labels.remote_ip
        first_seen = min(row.first_seen, row.last_seen)
        telling = (workload, destination, labels.port, labels.transport, labels.protocol, labels.scope)
        found = self.connection.execute(_FIND, telling).fetchone()
        if found is not None:
            self._join(found, labels, first_seen)
            return int(found[0])
        kind = self._novelty(workload, destination, labels)
        if kind is not None:
            self.novelties.append(Novelty.of(kind, row, row.last_seen))
        named, inferred = int(bool(labels.name)), int(labels.inferred)
        values = (*telling, named, labels.evidence, inferred, first_seen, labels.remote_ip, labels.network)
        return int(self.connection.execute(_INSERT, values).lastrowid or 0)

    def _novelty(self, workload: int, destination: str, labels: FlowLabels) -> NoveltyKind | None:
        reached = self.connection.execute(_PORTS, (workload, destination)).fetchall()
        if not reached:
            return "destination"
        return None if (labels.port, labels.transport) in reached else "port"

    def _join(self, found: _Found, labels: FlowLabels, first_seen: float) -> None:
        """Another address, an earlier sight or a better evidence of an entry that is there."""
        entry, first, evidence, inferred, text, more, network = found
        addresses = text.split(" ")
        if labels.remote_ip not in addresses:
            addresses.append(labels.remote_ip)
        beyond = max(0, len(addresses) - self.max_addresses)
        after = (
            min(first, first_seen),
            min(evidence, labels.evidence, key=EVIDENCE.index),
            inferred | int(labels.inferred),
            " ".join(addresses[beyond:]),
            more + beyond,
            labels.network,
        )
        if after != (first, evidence, inferred, text, more, network):
            self.connection.execute(_UPDATE, (*after, entry))

    def _workload(self, who: Workload) -> int:
        telling = (who.kind, who.namespace, who.name, who.container)
        details = json.dumps({name: getattr(who, name) for name in _DETAILS})
        found = self.connection.execute(_FIND_WORKLOAD, telling).fetchone()
        if found is None:
            return int(self.connection.execute(_INSERT_WORKLOAD, (*telling, details)).lastrowid or 0)
        workload, before = found
        if details != before:  # another process of it, or the same container started again: the newest is shown
            self.connection.execute("UPDATE workload SET details = ? WHERE id = ?", (details, workload))
        return int(workload)


_NO_EVIDENCE: Final = (0,) * len(EVIDENCE)
