"""Operation slots to operation rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from kindling.model.codes import OP_OTHER
from kindling.model.histogram import bucket
from kindling.model.labels import OpLabels
from kindling.model.rows import OpRow
from kindling.model.workload import OTHER, UNKNOWN
from kindling.protocols import Operation, by_number
from kindling.table.counters import Changes, Counters, seen_before
from kindling.table.idle import IdleRows
from kindling.table.naming import ROLES
from kindling.table.patience import Patience
from kindling.table.records import OP, Added, Bound, Folded, Gone, Moved, OpRecord, Record, Vector
from kindling.table.words import OpWords

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from kindling.config import Limits
    from kindling.table.journal import Journal
    from kindling.table.names import Names
    from kindling.table.owners import Owners
    from kindling.table.parents import Parent, Parents
    from kindling.table.recovered import SavedRow, SavedSlot

#: A request has bytes; one that was answered at once may have no duration.
_WATCH: Final = ("duration_ns", "request_bytes")

_OTHER: Final = Operation("other", "other")
_UNNAMED: Final = Operation("?", "")

_OTHER_LABELS: Final = OpLabels(
    workload=OTHER,
    role="unknown",
    protocol="unknown",
    local_ip="",
    remote_ip="",
    port=0,
    name="other",
    operation="other",
    content="other",
    status="",
    error=False,
)


class _Key(NamedTuple):
    """What the probe tells operations apart by."""

    parent: int
    op: int
    status: int
    protocol: int
    role: int


@dataclass(slots=True)
class _Binding:
    """What a bound slot stands for, and what it refers to."""

    row: OpRow
    key: _Key
    parent: Parent | None
    named: bool
    """The operation's text is known."""
    gen: int
    """Of the slot, when it was bound."""


class OpTable:
    """Rows of requests, fed from the operation slots."""

    def __init__(
        self,
        slots: NDArray[np.void],
        owners: Owners,
        names: Names,
        parents: Parents,
        limits: Limits,
        lose: Callable[[str], None],
        journal: Journal,
    ) -> None:
        self.counters = Counters(slots, "slow", "hist", _WATCH, journal.marks("op", len(slots)))
        self.rows: dict[OpLabels, OpRow] = {}
        self.idle = IdleRows(self.rows, limits.op_rows, limits.row_idle_seconds, self._in_use)
        self.patience = Patience()
        self._slots: Any = slots
        self._owners = owners
        self._names = names
        self._parents = parents
        self._limit = limits.op_rows
        self._lose = lose
        self._journal = journal
        self._bindings: dict[int, _Binding] = {}
        self._unnamed: set[int] = set()
        """Bound slots whose name has not come up to now."""
        self.words = OpWords(self.counters)
        self.other = OpRow(_OTHER_LABELS, 0.0)
        self._by_number: dict[int, OpRow] = {}
        self._next_number = 1

    def bind(self, now: float, *, final: bool = False) -> None:
        """Finds out what new slots stand for. `final`: nothing more will come, do not wait."""
        for slot in self.counters.occupancy.arrivals():
            key = self._key(slot)
            parent = self._parents.get(key.parent)
            if parent is None and key.parent in self._parents.waiting and not final:
                continue
            named = self._operation(key.op) is not None
            complete = named and (parent is not None or key.parent == 0)
            if not complete and not final and self.patience.wait(slot):
                continue
            self.patience.found(slot)
            occupancy = self.counters.occupancy
            gen, op_id = occupancy.generation(slot), occupancy.id_of(slot)
            row = self.row(*key, now)
            self._attach(slot, _Binding(row, key, parent, named, gen))
            self.counters.bind(slot, now)
            self._journal.put(Bound(OP, slot, gen, op_id, key.parent, row.number))

    def _attach(self, slot: int, binding: _Binding) -> None:
        self._bindings[slot] = binding
        if binding.parent:
            self._parents.add_op(binding.key.parent)
        if binding.named:
            self._names.use(binding.key.op)
        else:
            self._unnamed.add(slot)

    def name_late(self, now: float) -> None:
        """Gives slots without name their row, where the name has come."""
        for slot in list(self._unnamed):
            binding = self._bindings[slot]
            if self._operation(binding.key.op) is not None:
                self._unnamed.discard(slot)
                self._move(slot, binding, now)
                binding.named = True
                self._names.use(binding.key.op)

    def relabel(self, now: float) -> None:
        """Operations whose flow leads to another one now are counted under that from here on."""
        parents = self._parents.take_relabelled()
        if parents:
            for slot, binding in self._bindings.items():
                if binding.key.parent in parents:
                    self._move(slot, binding, now)

    def serve(self, addresses: set[str], serving: Callable[[OpLabels], OpLabels]) -> None:
        """Addresses may answer for another service than before."""
        for row in self.rows.values():
            if row.labels.local_ip in addresses:
                row.labels = serving(row.labels)

    def _move(self, slot: int, binding: _Binding, now: float) -> None:
        binding.row = self.row(*binding.key, now)
        self._journal.put(Moved(OP, slot, binding.gen, binding.row.number, self.counters.vector(slot)))

    def row(self, parent: int, op: int, status: int, protocol: int, role: int, now: float) -> OpRow:
        """The row of a parent's operation with a status; made where there is none."""
        labels = self._labels(parent, op, status, protocol, role)
        row = self.rows.get(labels)
        if row is None:
            self._forget(self.idle.make_room(now))
            if len(self.rows) >= self._limit:
                self._lose("op_rows")
                return self.other
            row = self.rows[labels] = OpRow(labels, now)
            row.number = self._next_number
            self._next_number += 1
            self._by_number[row.number] = row
            self._journal.put(self._record(row))
        return row

    def numbered(self, number: int) -> OpRow:
        """The row of a number; "other" when it is gone."""
        return self._by_number.get(number, self.other)

    def unanswered(self, protocol: int, waited_ns: int, request_bytes: int) -> Vector:
        """What a query counts that nobody answered: it took as long as was waited for it."""
        return self.words.one(
            bucket(waited_ns),
            duration_ns=waited_ns,
            wait_ns=waited_ns,
            request_bytes=request_bytes,
            slow=int(waited_ns >= by_number(protocol).slow_ns),
        )

    def add(self, number: int, added: Vector, now: float) -> None:
        """Count in a row what no slot of the probe counted."""
        row = self.numbered(number)
        self.words.add_vector(row, self.counters.spread(added))
        row.last_seen = now
        self._journal.put(Added(OP, row.number, added))

    def expire(self, now: float) -> None:
        """Forgets rows that nothing has happened to for long."""
        self._forget(self.idle.expire(now))

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            del self._by_number[number]
        if numbers:
            self._journal.put(Gone(OP, numbers))

    def _in_use(self) -> set[int]:
        return {id(binding.row) for binding in self._bindings.values()}

    def _record(self, row: OpRow) -> OpRecord:
        return OpRecord(row.number, row.labels, row.first_seen, row.last_seen, self.words.totals(row))

    def update(self, now: float, *, everything: bool = False, held: Collection[int] = ()) -> None:
        """Adds what happened since the last reading; `held`: not under these parents."""
        slots = [slot for slot, binding in self._bindings.items() if binding.key.parent in held] if held else []
        self._apply(self.counters.read(now, everything=everything, held=slots), now)

    def fold(self, slots: Sequence[int], now: float) -> None:
        """Last reading of slots that nobody writes any more."""
        self._apply(self.counters.read_slots(np.fromiter(slots, np.intp), now), now)
        for slot in slots:
            at, seen = self.counters.vector(slot), float(self.counters.changed_at[slot])
            self._journal.put(Folded(OP, slot, self._bindings[slot].gen, at, seen))
        self._journal.commit()

    def vacate(self, slots: Sequence[int]) -> None:
        """After the source has given the slots back."""
        removed: Counter[int] = Counter()
        for slot in slots:
            gone = self._bindings.pop(slot)
            self._unnamed.discard(slot)
            if gone.named:
                self._names.drop(gone.key.op)
            if gone.parent:
                self._parents.drop_op(gone.key.parent)
                removed[gone.parent.owner] += gone.key.op != OP_OTHER
        for owner, count in removed.items():
            self._owners.ops_removed(owner, count)
        self.counters.vacate(slots)

    def recyclable(self, before: float) -> list[int]:
        """Slots without change since a time."""
        idle: list[int] = self.counters.idle(before).tolist()
        return idle

    def visible(self) -> list[OpRow]:
        """Rows in which anything was counted."""
        return [row for row in (*self.rows.values(), self.other) if row.count]

    def _key(self, slot: int) -> _Key:
        row = self._slots[slot]
        return _Key(*(int(row[field]) for field in _Key._fields))

    def _operation(self, op: int) -> Operation | None:
        return _OTHER if op == OP_OTHER else self._names.operation(op)

    def _labels(self, parent: int, op: int, status: int, protocol: int, role: int) -> OpLabels:
        spoken = by_number(protocol)
        flow = self._parents.labels(parent)
        operation = self._operation(op) or _UNNAMED
        result = spoken.status(status)
        error = spoken.is_error(status)
        if flow is None:
            return OpLabels(
                workload=UNKNOWN,
                role=ROLES.get(role, "unknown"),
                protocol=spoken.name,
                local_ip="",
                remote_ip="",
                port=0,
                name="",
                operation=operation.label,
                content=operation.content,
                status=result,
                error=error,
            )
        server = flow.role == "server"
        return OpLabels(
            workload=flow.workload,
            role=flow.role,
            protocol=spoken.name,
            local_ip=flow.local_ip,
            remote_ip="" if server else flow.remote_ip,
            port=flow.port,
            name="" if server else flow.name,
            operation=operation.label,
            content=operation.content,
            status=result,
            error=error,
            transport=flow.transport,
            evidence="address" if server else flow.evidence,
            inferred=False if server else flow.inferred,
            peer=None if server else flow.peer,
            service=flow.service,
        )

    def _apply(self, changes: Changes, now: float | None) -> None:
        """Add changes to their rows, which were seen now; None: as before."""
        slots: list[int] = changes.slots.tolist()
        if not slots:
            return
        hist = changes.added[:, self.words.hist]
        counts = hist.sum(axis=1).tolist()
        sums = changes.added[:, : self.words.hist.start].tolist()
        for slot, added, buckets, count in zip(slots, sums, hist, counts, strict=True):
            binding = self._bindings.get(slot)
            row = binding.row if binding else self.other
            self.words.add(row, added, buckets, count)
            if now is not None:
                row.last_seen = now

    # --- restart ------------------------------------------------------------------------------

    def restore(self, rows: Mapping[int, SavedRow]) -> None:
        """Take the rows of another process; before the first `bind`."""
        for number, saved in rows.items():
            if not isinstance(saved.record, OpRecord):
                continue
            row = self.other if number == 0 else OpRow(saved.record.labels, saved.record.first_seen)
            row.number, row.last_seen = number, saved.last_seen
            self.words.add_vector(row, self.counters.spread(saved.totals))
            if number:
                self.rows[row.labels] = self._by_number[number] = row
                self._next_number = max(self._next_number, number + 1)

    def resume(self, slots: Mapping[int, SavedSlot], now: float) -> None:
        """Go on with slots that another process had bound, after the flows; what they counted since is added."""
        for slot, saved in slots.items():
            self.counters.resume(slot, saved.id, saved.base)
            if slot:  # 0 is "other"
                key = self._key(slot)
                row = self.numbered(saved.row)
                named = row.labels.operation != _UNNAMED.label  # or it will be by name_late()
                self._attach(slot, _Binding(row, key, self._parents.get(key.parent), named, saved.gen))
        before, since = self.counters.read_resumed(np.fromiter(slots, np.intp), now)
        seen_before(self.counters, before, lambda slot: self._bindings[slot].row if slot else self.other)
        self._apply(before, None)
        self._apply(since, now)

    def by_owner(self) -> Counter[int]:
        """How many operations each owner has in slots, those beyond budgets not counted."""
        return Counter(b.parent.owner for b in self._bindings.values() if b.parent and b.key.op != OP_OTHER)

    def saved(self, *, slots: bool) -> Iterator[Record]:
        """For the journal; without `slots` when they are about to vanish."""
        for row in (self.other, *self.rows.values()):
            yield self._record(row)
        if slots:
            yield Bound(OP, 0, 0, 0, 0, 0, self.counters.vector(0))
            ids = self.counters.occupancy.ids
            for slot, bound in self._bindings.items():
                base = self.counters.vector(slot)
                yield Bound(OP, slot, bound.gen, int(ids[slot]), bound.key.parent, bound.row.number, base)
