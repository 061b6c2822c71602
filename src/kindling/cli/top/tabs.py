"""The tables of the live view, and what is measured in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kindling.export import format as fmt
from kindling.export.records import Record
from kindling.export.table import Column, Table
from kindling.export.tables import DNS, EVENTS, EXTERNAL, FLOWS, REQUESTS

#: Sort key of what changes fastest; told from two looks, so no agent knows it.
RATE: Final = "rate"
#: Rank of a column that stays on the narrowest terminal.
STAYS: Final = -1


@dataclass(frozen=True, slots=True)
class Tab:
    """A table, and the rate shown with it."""

    table: Table
    sort: str
    """At first."""
    moment: str
    """Key of the records that says when a row last changed."""
    letters: Mapping[str, str] = field(default_factory=dict)
    """Keys of the keyboard, each with what it sorts by."""
    title: str = ""
    measure: Callable[[Record], float] | None = None
    show: Callable[[float], str] = str

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those of the table with the rate in place of the time of the last change."""
        if self.measure is None:
            return self.table.columns
        rate = Column(RATE, self.title, lambda row: self.show(row.get(RATE, 0.0)), "right", rank=STAYS)
        return (*(column for column in self.table.columns if column.key != self.moment), rate)

    @property
    def sortable(self) -> tuple[str, ...]:
        """Keys of the columns by which rows can be sorted, from left to right."""
        return tuple(column.key for column in self.columns if column.key == RATE or column.key in self.table.sortable)


def _bytes(record: Record) -> float:
    return float(record["bytes_in"] + record["bytes_out"])


def _count(record: Record) -> float:
    return float(record["count"])


def _size(rate: float) -> str:
    return fmt.size(rate) if rate else "-"


def _times(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}" if rate else "-"


_TRAFFIC: Final = {"w": "workload", "f": "failures", "o": "bytes_out", "i": "bytes_in", "v": RATE}
_REQUESTS: Final = {"w": "workload", "c": "count", "e": "error", "m": "mean_ns", "v": RATE}

TABS: Final = (
    Tab(
        EXTERNAL,
        RATE,
        "last_seen",
        _TRAFFIC | {"c": "connections", "n": "destination"},
        "BYTES/S",
        _bytes,
        _size,
    ),
    Tab(FLOWS, RATE, "last_seen", _TRAFFIC | {"c": "opened", "n": "name"}, "BYTES/S", _bytes, _size),
    Tab(REQUESTS, RATE, "last_seen", _REQUESTS | {"n": "name", "s": "slow"}, "REQ/S", _count, _times),
    Tab(DNS, RATE, "last_seen", _REQUESTS | {"n": "question"}, "ASKED/S", _count, _times),
    Tab(EVENTS, "time", "time", {"w": "workload", "n": "name", "t": "time", "m": "duration_ns"}),
)
BY_NAME: Final = {tab.name: tab for tab in TABS}
