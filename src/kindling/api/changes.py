"""What became of a table from one reading to the next: once for all streams that follow it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from kindling.export.order import Row
from kindling.export.tables import Table

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
    """What happened after a reading."""

    time: float
    came: frozenset[int]
    went: frozenset[int]

    def changed(self, table: Table, row: Row) -> bool:
        return bool(table.value(row, "last_seen") > self.time or table.number(row) in self.came)


class Changes:
    """Of one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._readings: deque[_Reading] = deque(maxlen=REMEMBERED)
        self._known: frozenset[int] = frozenset()

    def read(self, identity: str, time: float, rows: list[Row]) -> None:
        """Takes note of the rows of a reading; again of the same one changes nothing."""
        if self._readings and self._readings[-1].id == identity:
            return
        now = frozenset(map(self._table.number, rows))
        self._readings.append(_Reading(identity, time, now - self._known, self._known - now))
        self._known = now

    def since(self, identity: str) -> Since | None:
        """None: too long ago to tell."""
        came: set[int] = set()
        went: set[int] = set()
        for reading in reversed(self._readings):
            if reading.id == identity:
                return Since(reading.time, frozenset(came), frozenset(went - self._known))
            came |= reading.came
            went |= reading.went
        return None
