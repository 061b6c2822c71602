"""Rows that nothing happens to any more are forgotten, so that memory and series stay bounded.

A row stays while a slot of the probe counts for it or connections of it are open. One that comes again starts from
nothing, as a new row.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kindling.model.labels import FlowLabels, OpLabels
from kindling.model.rows import FlowRow, OpRow

if TYPE_CHECKING:
    from collections.abc import Callable, Container

_SWEEP_SECONDS: Final = 10.0
_AT_ONCE: Final = 64
"""When the table is full one row in so many of the limit goes, so that the next ones find room without a search."""

L = TypeVar("L", FlowLabels, OpLabels)
R = TypeVar("R", FlowRow, OpRow)


class IdleRows(Generic[L, R]):
    """`in_use`: rows that must stay, by identity."""

    def __init__(self, rows: dict[L, R], limit: int, idle_seconds: float, in_use: Callable[[], Container[int]]) -> None:
        self.expired = 0
        self.evicted = 0
        self._rows: dict[L, R] = rows
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._in_use = in_use
        self._sweep_at = 0.0
        self._full_at = -1.0

    def expire(self, now: float) -> list[int]:
        """Forget what was idle for long. Returns the numbers of the rows; looks now and then only."""
        if now < self._sweep_at <= now + _SWEEP_SECONDS:
            return []
        self._sweep_at = now + _SWEEP_SECONDS
        before = now - self._idle_seconds
        if not any(row.last_seen <= before for row in self._rows.values()):
            return []
        gone = [row for row in self._candidates() if row.last_seen <= before]
        self.expired += len(gone)
        return self._forget(gone)

    def make_room(self, now: float) -> list[int]:
        """Forget those that are idle for longest, where the table is full. Returns their numbers."""
        if len(self._rows) < self._limit or self._full_at == now:
            return []
        gone = heapq.nsmallest(self._limit // _AT_ONCE + 1, self._candidates(), key=lambda row: row.last_seen)
        if not gone:
            self._full_at = now  # not again in this tick
        self.evicted += len(gone)
        return self._forget(gone)

    def _candidates(self) -> list[R]:
        used = self._in_use()
        return [row for row in self._rows.values() if id(row) not in used]

    def _forget(self, rows: list[R]) -> list[int]:
        for row in rows:
            del self._rows[row.labels]  # type: ignore[arg-type]  # labels and row are of one kind
        return [row.number for row in rows]
