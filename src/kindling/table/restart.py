"""Going on where a process was killed, or stopped.

    killed at                      found                                   what is done
    ------------------------------ --------------------------------------- -------------------------------------
    any other time                 id leads to the slot                    read on from what the journal knows
    id deleted ... last reading    id does not, no record `Folded`         release again: graces, fold, zero, put back
    last reading ... zeroing       id does not, record `Folded`            zero and put back only
    zeroing ... putting back       neither free nor in use                 zero and put back (`audit`)
    taking unanswered queries      record `Taking` without `Taken`         those that are gone are counted

A frame of the journal is whole or not there, so the `Folded` of a batch of slots are there all or none: slots are
zeroed only after their frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kindling.table.records import FLOW, OP, Answer, Head, Lost, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kindling.capture.source import LastingSource
    from kindling.table.flows import FlowTable
    from kindling.table.losses import Losses
    from kindling.table.names import Names
    from kindling.table.ops import OpTable
    from kindling.table.owners import Owners
    from kindling.table.parents import Parents
    from kindling.table.queries import Queries
    from kindling.table.recovered import Recovered, SavedSlot


@dataclass(frozen=True, slots=True)
class Tables:
    """All that holds what a restart needs."""

    owners: Owners
    names: Names
    parents: Parents
    flows: FlowTable
    ops: OpTable
    queries: Queries
    losses: Losses

    def restore(self, saved: Recovered) -> None:
        """Take rows and names of another process. Slots follow, if they are still the same ones."""
        self.owners.restore(saved.owners)
        self.names.restore(saved.texts.values())
        self.flows.restore(saved.rows[FLOW], saved.open)
        self.ops.restore(saved.rows[OP])
        self.parents.restore(saved.kin)
        self.losses.restore(saved.lost.counts, saved.lost.since)
        self.queries.unanswered = saved.unanswered

    def resume(self, source: LastingSource, saved: Recovered, now: float) -> None:
        """Go on with the slots, finish what was interrupted."""
        broken = {table: source.interrupted(table) for table in ("op", "flow", "name", "owner")}
        for table, known in (("op", saved.slots[OP]), ("flow", saved.slots[FLOW])):
            folded = [slot for slot in broken[table] if slot in known and known[slot].folded]
            if folded:
                source.release(table, folded, [], _nothing)
            broken[table] = [slot for slot in broken[table] if slot not in folded]
        for table in ("name", "owner"):
            if broken[table]:
                source.release(table, broken[table], [], _nothing)
        self.owners.load(now)
        self.flows.resume(_living(source, "flow", saved.slots[FLOW], broken["flow"]), now)
        self.ops.resume(_living(source, "op", saved.slots[OP], broken["op"]), now)
        self._finish(source, broken, now)
        self.queries.resume(saved.taking, source.find_query, now)
        source.audit()
        self.owners.recount(self.ops.by_owner())

    def _finish(self, source: LastingSource, broken: dict[str, list[int]], now: float) -> None:
        ops, flows = broken["op"], broken["flow"]
        if ops:
            source.release("op", ops, [], lambda: self.ops.fold(ops, now))
            self.ops.vacate(ops)
        if flows:
            source.release("flow", flows, [], lambda: self.flows.fold(flows, now))
            self.flows.vacate(flows)

    def records(self, head: Head, answers: Sequence[Answer], *, slots: bool) -> Iterator[Record]:
        """The whole journal. Without `slots` when the probe's maps are about to vanish."""
        yield head
        yield from self.owners.saved()
        yield from self.names.saved(slots=slots)
        yield from self.flows.saved(slots=slots)
        yield from self.ops.saved(slots=slots)
        yield from self.parents.saved()
        yield self.lost()
        yield from answers

    def lost(self) -> Lost:
        return Lost(self.losses.tables(), dict(self.losses.since), self.queries.unanswered)


def _living(
    source: LastingSource, table: str, known: dict[int, SavedSlot], broken: Sequence[int]
) -> dict[int, SavedSlot]:
    """Slots that still live the life in which they were bound."""
    head = source.slots(table)["head"]
    unfinished = set(broken)
    return {
        slot: saved
        for slot, saved in known.items()
        if not saved.folded
        and (slot in unfinished or slot == 0 or (head["live"][slot] and int(head["gen"][slot]) == saved.gen))
    }


def _nothing() -> None:
    """There is nothing more to read."""
