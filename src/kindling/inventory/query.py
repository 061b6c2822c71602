"""Questions to the list, and their answers as records."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter, itemgetter
from typing import Any, Final

from kindling.errors import InputError
from kindling.export.filters import Filter
from kindling.export.tables import EXTERNAL
from kindling.inventory import leading
from kindling.inventory.counters import COUNTERS, EVIDENCE, TOTALS
from kindling.inventory.groups import GROUPINGS, grouped
from kindling.inventory.items import LAST_DAY, Item, Record, day_of, items, numbers, total
from kindling.inventory.watching import Period, periods
from kindling.model import FlowRow

SORTABLE: Final = (*EXTERNAL.sortable, "scope")
_OF_GROUPS: Final = ("connections", "active", "failures", "bytes_out", "bytes_in", "last_seen", "first_seen")
_COUNTS_OF_GROUPS: Final = ("destinations", "workloads")
DEFAULT_SORT: Final = "connections"


@dataclass(frozen=True, slots=True)
class Query:
    """`new_since` (unix seconds): of what is wanted only what was seen for the first time since then."""

    wanted: Filter = field(default_factory=Filter)
    new_since: float | None = None
    group_by: str = ""
    sort: str = DEFAULT_SORT
    limit: int = 0

    def __post_init__(self) -> None:
        if self.group_by and self.group_by not in GROUPINGS:
            raise InputError(
                f"external cannot be grouped by {self.group_by!r}.", hint=f"Try one of: {', '.join(GROUPINGS)}."
            )
        if self.key not in self.sortable:
            raise InputError(
                f"external cannot be sorted by {self.key!r}.", hint=f"Try one of: {', '.join(self.sortable)}."
            )

    @property
    def key(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def sortable(self) -> tuple[str, ...]:
        return (self.group_by, *_OF_GROUPS, *_COUNTS_OF_GROUPS) if self.group_by else SORTABLE


@dataclass(frozen=True, slots=True)
class Answer:
    rows: Sequence[Any]
    total: int
    """Rows there are, before the limit."""
    connections: int
    by_evidence: dict[str, int]
    """Connections of all rows, by the evidence of their name; `address`: without one."""
    periods: Sequence[Period]
    whole_days: bool
    """The numbers are of the days (UTC) that the time touches."""


def answer(
    connection: sqlite3.Connection,
    query: Query,
    active: Iterable[FlowRow] = (),
    write: Callable[[Record], Any] = lambda record: record,
) -> Answer:
    """`active`: rows with open connections; their number is not stored. `write`: what becomes of each record, at once:
    of a long list no more than one need be whole in memory.
    """
    found, count, counters = _first_rows(connection, query, active) or _all_rows(connection, query, active)
    rows = [write(each.record() if isinstance(each, Item) else each) for each in found]
    shares = zip(EVIDENCE, counters[len(TOTALS) :], strict=True)
    by_evidence: dict[str, int] = {evidence: n for evidence, n in shares if n}
    timed = query.wanted.since is not None or query.wanted.until is not None
    return Answer(rows, count, counters[0], by_evidence, periods(connection), whole_days=timed)


#: Entries or records of groups, how many there are before the limit, and the counters of all.
_Rows = tuple[Sequence[Item | Record], int, tuple[int, ...]]


def _first_rows(connection: sqlite3.Connection, query: Query, active: Iterable[FlowRow]) -> _Rows | None:
    """The quick way, for questions that allow it: the top of the whole list."""
    whole = query.wanted == Filter() and query.new_since is None and not query.group_by
    if not whole or not query.limit or query.key not in leading.KEYS:
        return None
    found, count = leading.leading(connection, query.key, limit=query.limit, backwards=query.sort.startswith("-"))
    _count_active(found, active)
    return found, count, leading.sums(connection)


def _all_rows(connection: sqlite3.Connection, query: Query, active: Iterable[FlowRow]) -> _Rows:
    found = _wanted(connection, query)
    if query.group_by:
        _count_active(found, active)
        groups = _sorted(grouped(found, query.group_by), query, itemgetter(query.key))
        return groups[: query.limit or None], len(groups), total(found)
    if query.key == "active":
        _count_active(found, active)
    chosen = _sorted(found, query, attrgetter(query.key))[: query.limit or None]
    if query.key != "active":
        _count_active(chosen, active)
    return chosen, len(found), total(found)


def _wanted(connection: sqlite3.Connection, query: Query) -> list[Item]:
    found = items(connection, query.wanted.since, query.wanted.until)
    if query.wanted != Filter():
        found = list(filter(query.wanted.test(_value), found))
    if query.new_since is not None:
        found = [item for item in found if item.first_seen >= query.new_since]
    return found


def _value(item: Item, key: str) -> Any:
    return getattr(item, key, "")


def _sorted(rows: Iterable[Any], query: Query, value: Any) -> list[Any]:
    """Numbers from high to low, text from A to Z; a minus turns that round."""
    rows = list(rows)
    if not rows:
        return rows
    numeric = isinstance(value(rows[0]), int | float)
    rows.sort(key=value, reverse=numeric != query.sort.startswith("-"))
    return rows


def _count_active(found: Iterable[Item], active: Iterable[FlowRow]) -> None:
    """Open connections of each entry. Those of a protocol that has no entry yet are given to one of the same port."""
    by_peer: dict[tuple[object, ...], list[FlowRow]] = {}
    for row in active:
        labels, owner = row.labels, row.labels.workload
        destination = labels.name or labels.remote_ip
        who = (owner.kind, owner.namespace, owner.name, owner.container)
        by_peer.setdefault((*who, destination, labels.port, labels.transport), []).append(row)
    taken: dict[tuple[object, ...], list[Item]] = {}
    for item in found if by_peer else ():
        its = item.who
        peer = (its.kind, its.namespace, its.name, its.container, item.destination, item.port, item.transport)
        if peer in by_peer:
            taken.setdefault(peer, []).append(item)
    for key, targets in taken.items():
        for row in by_peer[key]:
            exact = [item for item in targets if item.protocol == row.labels.protocol]
            (exact or targets)[0].active += row.active


# --- history ------------------------------------------------------------------------------------

_HISTORY: Final = (
    f"SELECT day, {', '.join(f'sum({name})' for name in COUNTERS)}, sum(entry != 0) FROM daily "  # noqa: S608
    "WHERE day BETWEEN ? AND ?"
)


def history(connection: sqlite3.Connection, query: Query) -> list[Record]:
    """A record for each day (UTC) that is kept, the oldest first; a day on which nothing happened has none.

    What was forgotten for the bound is part of a day's sums as long as nothing is selected.
    """
    wanted = query.wanted
    first = day_of(wanted.since) if wanted.since is not None else 0
    last = day_of(wanted.until) if wanted.until is not None else LAST_DAY
    text = _HISTORY
    if replace(wanted, since=None, until=None) != Filter() or query.new_since is not None:
        chosen = _wanted(connection, query)
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (id INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM chosen")
        connection.executemany("INSERT INTO chosen VALUES (?)", [(number,) for item in chosen for number in item.ids])
        text += " AND entry IN (SELECT id FROM chosen)"
    return [
        _day(day, counters, entries)
        for day, *counters, entries in connection.execute(f"{text} GROUP BY day ORDER BY day", (first, last))
    ]


def _day(day: int, counters: Sequence[int], entries: int) -> Record:
    from datetime import date, timedelta

    record = numbers(tuple(counters), 0)
    del record["active"]
    return {"day": str(date(1970, 1, 1) + timedelta(days=day)), "entries": entries, **record}
