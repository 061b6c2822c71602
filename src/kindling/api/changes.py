"""What became of a table from one reading to the next: once for all streams that follow it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kindling.export.order import Row
from kindling.export.table import Table

#: Readings of which is remembered what came and went: a reader that was away for longer gets everything.
REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class _Reading:
    id: str
    time: float
    came: frozenset[int]
    went: frozenset[int]


@dataclass(frozen=True, slots=True)
class Since:
    """What happened after a reading: rows that came or changed, numbers of those that went."""

    rows: list[Row]
    went: frozenset[int]


class Changes:
    """Of one table."""

    def __init__(self, table: Table) -> None:
        self.rows: list[Row] = []
        """Of the last reading."""
        self._table = table
        self._readings: deque[_Reading] = deque(maxlen=REMEMBERED)
        self._known: frozenset[int] = frozenset()
        self._last: Since = Since([], frozenset())

    def read(self, identity: str, time: float, rows: Callable[[], list[Row]]) -> None:
        """Takes note of the rows of a reading; again of the same one changes nothing."""
        if self._readings and self._readings[-1].id == identity:
            return
        self.rows = rows()
        before = self._readings[-1].time if self._readings else 0.0
        now = frozenset(map(self._table.number, self.rows))
        reading = _Reading(identity, time, now - self._known, self._known - now)
        self._readings.append(reading)
        self._known = now
        self._last = Since(self._changed(before, reading.came), reading.went)

    def since(self, identity: str) -> Since | None:
        """None: too long ago to tell."""
        if len(self._readings) > 1 and self._readings[-2].id == identity:
            return self._last
        came: set[int] = set()
        went: set[int] = set()
        for reading in reversed(self._readings):
            if reading.id == identity:
                return Since(self._changed(reading.time, frozenset(came)), frozenset(went - self._known))
            came |= reading.came
            went |= reading.went
        return None

    def _changed(self, time: float, came: frozenset[int]) -> list[Row]:
        """Events are read some time after they happened: they have come, though their time is past."""
        value, number = self._table.value, self._table.number
        return [row for row in self.rows if value(row, "last_seen") > time or number(row) in came]
