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
from kindling.table.counters import Changes, Counters
from kindling.table.flows import ROLES
from kindling.table.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kindling.table.names import Names
    from kindling.table.owners import Owners
    from kindling.table.parents import Parent, Parents

#: Counters of a slot that are attributes of a row by the same name.
_SUMS: Final = (
    "slow",
    "duration_ns",
    "send_ns",
    "wait_ns",
    "receive_ns",
    "request_bytes",
    "response_bytes",
)

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


class OpTable:
    """Rows of requests, fed from the operation slots."""

    def __init__(
        self,
        slots: NDArray[np.void],
        owners: Owners,
        names: Names,
        parents: Parents,
        limit: int,
        lose: Callable[[str], None],
    ) -> None:
        self.counters = Counters(slots, "slow", "hist", _WATCH)
        self.rows: dict[OpLabels, OpRow] = {}
        self.patience = Patience()
        self._slots: Any = slots
        self._owners = owners
        self._names = names
        self._parents = parents
        self._limit = limit
        self._lose = lose
        self._bindings: dict[int, _Binding] = {}
        self._unnamed: set[int] = set()
        """Bound slots whose name has not come up to now."""
        self._columns = [(name, self.counters.column(name)) for name in _SUMS]
        hist = self.counters.columns("hist")
        self._hist = slice(hist.start, hist.stop)
        self._other = OpRow(_OTHER_LABELS, 0.0)

    def bind(self, now: float, *, final: bool = False) -> None:
        """Finds out what new slots stand for. `final`: nothing more will come, do not wait."""
        for slot in self.counters.occupancy.arrivals():
            key = self._key(slot)
            parent = self._parents.get(key.parent)
            named = self._operation(key.op) is not None
            complete = named and (parent is not None or key.parent == 0)
            if not complete and not final and self.patience.wait(slot):
                continue
            self.patience.found(slot)
            self._bindings[slot] = _Binding(self.row(*key, now), key, parent, named)
            if parent:
                self._parents.add_op(key.parent)
            if named:
                self._names.use(key.op)
            else:
                self._unnamed.add(slot)
            self.counters.bind(slot, now)

    def name_late(self, now: float) -> None:
        """Gives slots without name their row, where the name has come."""
        for slot in list(self._unnamed):
            binding = self._bindings[slot]
            if self._operation(binding.key.op) is not None:
                self._unnamed.discard(slot)
                binding.row = self.row(*binding.key, now)
                binding.named = True
                self._names.use(binding.key.op)

    def row(self, parent: int, op: int, status: int, protocol: int, role: int, now: float) -> OpRow:
        """The row of a parent's operation with a status; made where there is none."""
        labels = self._labels(parent, op, status, protocol, role)
        row = self.rows.get(labels)
        if row is None:
            if len(self.rows) >= self._limit:
                self._lose("op_rows")
                return self._other
            row = self.rows[labels] = OpRow(labels, now)
        return row

    def update(self, now: float, *, everything: bool = False) -> None:
        """Adds what happened since the last reading."""
        self._apply(self.counters.read(now, everything=everything), now)

    def fold(self, slots: Sequence[int], now: float) -> None:
        """Last reading of slots that nobody writes any more."""
        self._apply(self.counters.read_slots(np.fromiter(slots, np.intp), now), now)

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
        return [row for row in (*self.rows.values(), self._other) if row.count]

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
        )

    def _apply(self, changes: Changes, now: float) -> None:
        slots: list[int] = changes.slots.tolist()
        if not slots:
            return
        hist = changes.added[:, self._hist]
        counts = hist.sum(axis=1).tolist()
        sums = changes.added[:, : self._hist.start].tolist()
        for slot, added, buckets, count in zip(slots, sums, hist, counts, strict=True):
            binding = self._bindings.get(slot)
            row = binding.row if binding else self._other
            row.count += count
            row.hist += buckets
            for name, column in self._columns:
                if added[column]:
                    setattr(row, name, getattr(row, name) + added[column])
            row.last_seen = now


def add_unanswered(row: OpRow, waited_ns: int, request_bytes: int, slow_ns: int, now: float) -> None:
    """Counts a query that nobody answered: it took as long as was waited for it."""
    row.count += 1
    row.hist[bucket(waited_ns)] += np.uint64(1)
    row.duration_ns += waited_ns
    row.wait_ns += waited_ns
    row.request_bytes += request_bytes
    row.slow += waited_ns >= slow_ns
    row.last_seen = now
