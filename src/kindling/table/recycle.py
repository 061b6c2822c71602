"""Giving back slots of what is over, so that the tables never fill up with the past.

The source does the exact part (`Source.release`): delete the id, raise the generation, wait until
no program can hold the slot's number, call `fold` for the last reading, zero, hand the number out
again. This module decides which slots, and when.

Flows and operations go when they are idle. Owners and names cost nothing while they wait: they go
when their table is under pressure and nothing refers to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kindling.capture.source import Source
    from kindling.config import Recycling
    from kindling.table.flows import FlowTable
    from kindling.table.journal import Journal
    from kindling.table.names import Names
    from kindling.table.occupancy import Occupancy
    from kindling.table.ops import OpTable
    from kindling.table.owners import Owners


class Recycler:
    def __init__(
        self,
        source: Source,
        policy: Recycling,
        owners: Owners,
        names: Names,
        flows: FlowTable,
        ops: OpTable,
        journal: Journal,
    ) -> None:
        self.given_back = {"owner": 0, "flow": 0, "op": 0, "name": 0}
        self._source = source
        self._policy = policy
        self._owners = owners
        self._names = names
        self._flows = flows
        self._ops = ops
        self._journal = journal

    def recycle(self, now: float) -> None:
        """Gives back what is idle; operations before the flows they belong to."""
        self._journal.commit()  # what a slot stands for must be known before its life can end
        self._recycle_ops(now)
        self._recycle_flows(now)
        self._recycle_unused("name", self._names, now)
        self._recycle_unused("owner", self._owners, now)

    def _recycle_ops(self, now: float) -> None:
        occupancy = self._ops.counters.occupancy
        slots = self._ops.recyclable(now - self._patience(occupancy))[: self._policy.batch]
        if slots:
            self._release("op", occupancy, slots, lambda: self._ops.fold(slots, now))
            self._ops.vacate(slots)

    def _recycle_flows(self, now: float) -> None:
        occupancy = self._flows.counters.occupancy
        patience = self._patience(occupancy)
        pressed = occupancy.fill > self._policy.pressure
        patience_open = self._policy.idle_seconds if pressed else self._policy.idle_open_seconds
        before, before_open = now - patience, now - max(patience, patience_open)
        slots = self._flows.recyclable(before, before_open)[: self._policy.batch]
        if slots:
            self._release("flow", occupancy, slots, lambda: self._flows.fold(slots, now))
            self._flows.vacate(slots)

    def _recycle_unused(self, table: str, book: Names | Owners, now: float) -> None:
        if book.occupancy.fill <= self._policy.pressure:
            return
        slots = book.unused(now - self._policy.pressure_idle_seconds, self._policy.batch)
        if slots:
            book.part(slots)
            self._journal.commit()
            self._release(table, book.occupancy, slots, _nothing)
            book.vacate(slots)

    def _release(self, table: str, occupancy: Occupancy, slots: Sequence[int], fold: Callable[[], None]) -> None:
        ids: list[int] = occupancy.ids[list(slots)].tolist()
        self._source.release(table, slots, ids, fold)
        self.given_back[table] += len(slots)

    def _patience(self, occupancy: Occupancy) -> float:
        """Seconds without change that make a slot idle."""
        if occupancy.fill > self._policy.pressure:
            return min(self._policy.idle_seconds, self._policy.pressure_idle_seconds)
        return self._policy.idle_seconds


def _nothing() -> None:
    """Owners and names have no counters to fold."""
