"""What a table is, and which of its rows are shown in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kindling.export.filters import Filter
from kindling.export.horizon import Horizon
from kindling.export.order import Order, Row
from kindling.export.records import Record
from kindling.model import Snapshot

Align = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names a value of a record; `show` turns the record into the cell's text."""

    key: str
    title: str
    show: Callable[[Record], str]
    align: Align = "left"
    least: int = 0
    """On a narrow terminal the cells may be cut down to this width; 0: never."""
    keep_end: bool = False
    """Cut out of the middle: the end (a port) must be seen."""
    rank: int = 0
    """On a terminal that is narrower still, the columns of the highest rank go first; 0 stays."""


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    title: str
    columns: tuple[Column, ...]
    sort: str
    rows: Callable[[Snapshot, Horizon], list[Row]]
    value: Callable[[Row, str], Any]
    """A value of a row by the record's key, without making the whole record; None: it has none."""
    record: Callable[[Row], Mapping[str, Any]]
    number: Callable[[Row], int]
    """Tells rows apart while the agent runs."""
    sortable: tuple[str, ...]
    filters: tuple[str, ...]
    """Fields of a Filter that these rows have."""
    empty: str
    """What to say when there are no rows."""

    def order(self, sort: str = "") -> Order:
        """By a key, or the one that is usual here. Raises InputError."""
        return Order.parse(self.name, sort or self.sort, self.sortable, self.value, self.number)


def select(
    table: Table,
    snapshot: Snapshot,
    horizon: Horizon,
    *,
    wanted: Filter | None = None,
    sort: str = "",
    limit: int = 0,
) -> tuple[list[Record], int]:
    """Records in order, at most `limit` (0: all), and how many there are. Numbers sort from high to
    low, text from A to Z; a minus before the key turns that round. Raises InputError.
    """
    order = table.order(sort)
    rows = order.sorted(matching(table, snapshot, horizon, wanted))
    return [dict(table.record(row)) for row in (rows[:limit] if limit else rows)], len(rows)


def matching(table: Table, snapshot: Snapshot, horizon: Horizon, wanted: Filter | None) -> list[Row]:
    """The rows that are wanted."""
    return chosen(table, table.rows(snapshot, horizon), horizon, wanted)


def chosen(table: Table, rows: list[Row], horizon: Horizon, wanted: Filter | None) -> list[Row]:
    """Those of some rows that are wanted."""
    if wanted is None or wanted == Filter():
        return rows
    return list(filter(wanted.test(_placed(table.value, horizon)), rows))


def _placed(value: Callable[[Row, str], Any], horizon: Horizon) -> Callable[[Row, str], Any]:
    """Operations and events do not carry the scope of their address."""

    def placed(row: Row, key: str) -> Any:
        found = value(row, key)
        if found is None and key == "scope":
            return horizon.scope(value(row, "remote_ip") or "")
        return found

    return placed
