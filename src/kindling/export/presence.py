"""Which rows are new, gone, idle or awake again since the last look: found out once, for every section of /metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from kindling.model import FlowRow, OpRow

Row = TypeVar("Row", FlowRow, OpRow)

#: Looks for idle rows so many times within the idle time.
_LOOKS: Final = 15


@dataclass(slots=True)
class Change(Generic[Row]):
    """What happened to rows since the last look."""

    fresh: list[Row]
    """Oldest first: after a restart of the agent the same rows come first as before. Those that are idle already
    come last, and are in `idle` too.
    """
    gone: set[Row]
    moved: list[Row]
    """Those whose labels are others now: the scope of an address may change while a row lives."""
    idle: list[Row]
    """Those that became idle just now."""
    awake: list[Row]
    """Those that were idle, and in which something happened."""


class Presence(Generic[Row]):
    """Remembers the rows it has seen."""

    def __init__(self, idle_seconds: float, busy: Callable[[Row], bool]) -> None:
        """`busy`: rows that never become idle, whenever they last changed."""
        self.idle_seconds = idle_seconds
        self._busy: Callable[[Row], bool] = busy
        self._known: dict[Row, object] = {}
        self._idle: dict[Row, float] = {}
        self._looked = 0.0

    def update(self, rows: Sequence[Row], now: float) -> Change[Row]:
        known = self._known
        changed = [row for row in rows if known.get(row) is not row.labels]
        moved = [row for row in changed if row in known]
        fresh = [row for row in changed if row not in known] if len(moved) < len(changed) else []
        gone = known.keys() - set(rows) if len(known) + len(fresh) != len(rows) else set()
        for row in changed:
            known[row] = row.labels
        for row in gone:
            del known[row]
            self._idle.pop(row, None)
        awake = [row for row, seen in self._idle.items() if row.last_seen != seen]
        for row in awake:
            del self._idle[row]
        fallen = self._fall_idle(now)
        ordered = sorted(fresh, key=lambda row: (row in self._idle, row.first_seen))
        return Change(ordered, gone, moved, fallen, awake)

    def is_idle(self, row: Row) -> bool:
        return row in self._idle

    def _fall_idle(self, now: float) -> list[Row]:
        if now - self._looked < self.idle_seconds / _LOOKS:
            return []
        self._looked = now
        limit = now - self.idle_seconds
        idle, busy = self._idle, self._busy
        fallen = [row for row in self._known if row.last_seen < limit and row not in idle and not busy(row)]
        for row in fallen:
            idle[row] = row.last_seen
        return fallen
