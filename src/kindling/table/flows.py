"""Flow slots to flow rows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kindling.model.labels import FlowLabels
from kindling.model.peer import UNKNOWN_POD
from kindling.model.rows import FlowRow
from kindling.model.workload import OTHER
from kindling.protocols.tls import alpn_name, version_name
from kindling.table.counters import Changes, Counters, seen_before
from kindling.table.held import Held
from kindling.table.idle import IdleRows
from kindling.table.naming import named_by_address
from kindling.table.patience import Patience
from kindling.table.records import FLOW, Added, Bound, FlowRecord, Folded, Gone, Moved, Open, Record, Vector
from kindling.table.words import FlowWords, balance, last_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from kindling.config import Limits
    from kindling.table.journal import Journal
    from kindling.table.names import Names
    from kindling.table.naming import FlowNaming
    from kindling.table.parents import Parents
    from kindling.table.recovered import SavedRow, SavedSlot

_UDP: Final = 17
#: One of these moves with whatever happens to a connection.
_WATCH: Final = ("opened", "unsettled", "closed", "failed", "packets_out", "packets_in")

#: What a slot says of its newest connection.
_LAST: Final = ["srtt_us", "rtt_min_us", "tls_version", "alpn", "client_port"]

_OTHER_LABELS: Final = FlowLabels(
    workload=OTHER,
    role="unknown",
    transport="tcp",
    protocol="unknown",
    local_ip="",
    remote_ip="",
    port=0,
    name="other",
    evidence="address",
    inferred=False,
)


@dataclass(slots=True)
class _Binding:
    """What a bound slot stands for, and what it refers to."""

    row: FlowRow
    flow: int
    parent: int
    name: int
    gen: int
    """Of the slot, when it was bound."""
    since: float
    """When the slot was first seen."""
    again: bool = False
    """Connections of an earlier slot are open, nobody counts how many. They keep their name."""
    remote: str = ""
    """The remote address, where what comes later may be known by another name, or be another one's."""


class FlowTable:
    """Rows of connections, fed from the flow slots."""

    def __init__(
        self,
        slots: NDArray[np.void],
        names: Names,
        parents: Parents,
        naming: FlowNaming,
        limits: Limits,
        lose: Callable[[str], None],
        journal: Journal,
    ) -> None:
        self.counters = Counters(slots, "opened", "resets_in", _WATCH, journal.marks("flow", len(slots)))
        self.rows: dict[FlowLabels, FlowRow] = {}
        self.idle = IdleRows(self.rows, limits.flow_rows, limits.row_idle_seconds, self._in_use)
        self.patience = Patience()
        self._slots = slots
        self._key: Any = slots["key"]
        self._transport: NDArray[np.uint8] = self._key["transport"]
        self._parent: NDArray[np.uint64] = slots["parent"]
        self._names = names
        self._parents = parents
        self._naming = naming
        self._limit = limits.flow_rows
        self._lose = lose
        self._journal = journal
        self._bindings: dict[int, _Binding] = {}
        self._by_remote: dict[str, set[int]] = {}
        """Slots that may be renamed, by remote address."""
        self._held = Held()
        self._placed = naming.scopes.changes
        self._by_id: dict[int, FlowRow] = {}
        self._by_number: dict[int, FlowRow] = {}
        self._open: OrderedDict[int, FlowRow] = OrderedDict()
        self.words = FlowWords(self.counters)
        self.other = FlowRow(_OTHER_LABELS, 0.0)
        self._next_number = 1

    def row(self, flow: int) -> FlowRow | None:
        """The row of a flow's id, while a slot has it."""
        return self._by_id.get(flow)

    def arrivals(self) -> list[int]:
        """Slots that are new. To be asked for before the events are taken: an answer that came before a connection
        is then read before the connection is named.
        """
        arrivals = self.counters.occupancy.arrivals()
        for slot in arrivals:
            self._naming.meet(self._key[slot])
        return arrivals

    def bind(self, arrivals: Iterable[int], now: float, *, final: bool = False) -> None:
        """Finds out what new slots stand for. `final`: nothing more will come, do not wait."""
        self._parents.waiting.clear()
        for slot in arrivals:
            if not final and self._naming.pending(self._key[slot], now, self.patience.since(slot, now)):
                self.patience.hold(slot, now)
                self._parents.waiting.add(int(self._parent[slot]))
                continue
            flow = self.counters.occupancy.id_of(slot)
            row = self._open.pop(flow, None)
            since = self.patience.since(slot, now)
            again = row is not None
            if row is None:
                labels, complete = self._naming.labels(self._key[slot], now, since)
                if not complete and not final and self.patience.wait(slot, now):
                    continue
                row = self._row(labels, now)
            else:
                row = self._row_again(row, self._key[slot], now)
            self.patience.found(slot)
            key = self._key[slot]
            gen = self.counters.occupancy.generation(slot)
            self._attach(slot, _Binding(row, flow, int(self._parent[slot]), int(key["name"]), gen, since, again))
            self.counters.bind(slot, now)
            self._journal.put(Bound(FLOW, slot, gen, flow, int(self._parent[slot]), row.number))

    def _row_again(self, row: FlowRow, key: Any, now: float) -> FlowRow:
        """The row of open connections whose slot had been given back, unless one of the ends is another one by now."""
        if row is self.other:
            return row
        labels = self._naming.owned(self._naming.renamed(row.labels, now, now, keep_name=True), key, now)
        return row if labels == row.labels else self._row(labels, now)

    def _attach(self, slot: int, binding: _Binding) -> None:
        self._bindings[slot] = binding
        self._by_id[binding.flow] = binding.row
        self._names.use(binding.name)
        labels = binding.row.labels
        self._parents.add_flow(binding.parent, labels, int(self._key[slot]["owner"]))
        if binding.row is self.other:
            return
        if self._naming.peering.active or (not binding.again and named_by_address(labels)):
            binding.remote = labels.remote_ip
            self._by_remote.setdefault(labels.remote_ip, set()).add(slot)

    def _detach(self, slot: int) -> _Binding:
        binding = self._bindings.pop(slot)
        self._held.drop(slot)
        if binding.remote:
            slots = self._by_remote[binding.remote]
            slots.discard(slot)
            if not slots:
                del self._by_remote[binding.remote]
        return binding

    def update(self, now: float, *, everything: bool = False) -> None:
        """Adds what happened since the last reading."""
        self._let_go(now, everything=everything)
        self._apply(self.counters.read(now, everything=everything, held=list(self._held)), now)

    def fold(self, slots: Sequence[int], now: float) -> None:
        """Last reading of slots that nobody writes any more."""
        self._apply(self.counters.read_slots(np.fromiter(slots, np.intp), now), now)
        ended = self._end_conversations(slots)
        for slot in slots:
            bound = self._bindings[slot]
            at, seen = self.counters.vector(slot), float(self.counters.changed_at[slot])
            self._journal.put(Folded(FLOW, slot, bound.gen, at, seen, ended.get(slot, {}), last_of(bound.row)))
            if bound.row.active:
                self._journal.put(Open(bound.flow, bound.row.number))
        self._journal.commit()

    def vacate(self, slots: Sequence[int]) -> None:
        """After the source has given the slots back."""
        for slot in slots:
            gone = self._detach(slot)
            del self._by_id[gone.flow]
            self._names.drop(gone.name)
            self._parents.drop_flow(gone.parent)
            if gone.row.active:
                # its connections will be counted closed under the same id: in the same row then
                self._remember(gone.flow, gone.row)
        self.counters.vacate(slots)

    def recyclable(self, before: float, before_open: float) -> list[int]:
        """Slots without change since a time; with open TCP connections, since a longer one."""
        idle = self.counters.idle(before)
        udp = self._transport[idle] == _UDP
        quiet = self.counters.changed_at[idle] <= before_open
        gone = idle[(self._active(idle) <= 0) | udp | quiet]
        slots: list[int] = gone.tolist()
        return [slot for slot in slots if slot not in self._held and not self._has_ops(slot)]

    def visible(self) -> list[FlowRow]:
        """Rows in which anything was counted."""
        return [row for row in (*self.rows.values(), self.other) if _counted(row)]

    def _end_conversations(self, slots: Sequence[int]) -> dict[int, Vector]:
        """Nothing tells a UDP socket that a remote has gone: being idle does. Returns what that adds, by slot."""
        active = self._active(np.fromiter(slots, np.intp)).tolist()
        ended: dict[int, Vector] = {}
        for slot, open_ in zip(slots, active, strict=True):
            row = self._bindings[slot].row
            if open_ > 0 and row.labels.transport == "udp":
                ended[slot] = {self.words.closed: open_}
                row.closed += open_
                self._balance(row)
        return ended

    def _active(self, slots: NDArray[np.intp]) -> NDArray[np.int64]:
        """Connections that were opened under these slots and not closed; negative when it is the other way."""
        kept = self.counters.kept
        active = kept("opened")[slots] + kept("unsettled")[slots] - kept("closed")[slots]
        return active.view(np.int64)

    def _has_ops(self, slot: int) -> bool:
        parent = self._parents.get(self._bindings[slot].parent)
        return parent is not None and parent.flows == 1 and parent.ops > 0

    def _remember(self, flow: int, row: FlowRow) -> None:
        self._open[flow] = row
        if len(self._open) > self.counters.occupancy.size:
            self._open.popitem(last=False)

    def _row(self, labels: FlowLabels, now: float) -> FlowRow:
        row = self.rows.get(labels)
        if row is None:
            self._forget(self.idle.make_room(now))
            if len(self.rows) >= self._limit:
                self._lose("flow_rows")
                return self.other
            row = self.rows[labels] = FlowRow(labels, now)
            row.answering = self._naming.peering.answering
            row.number = self._next_number
            self._next_number += 1
            self._journal.put(self._record(row))
        return row

    def expire(self, now: float) -> None:
        """Forgets rows that nothing has happened to for long."""
        self._forget(self.idle.expire(now))

    def _forget(self, numbers: list[int]) -> None:
        if numbers:
            self._journal.put(Gone(FLOW, numbers))

    def _in_use(self) -> set[int]:
        used = {id(binding.row) for binding in self._bindings.values()}
        used.update(id(row) for row in self._open.values())
        return used

    def _record(self, row: FlowRow) -> FlowRecord:
        totals = self.words.totals(row)
        return FlowRecord(row.number, row.labels, row.first_seen, row.last_seen, totals, last_of(row))

    # --- restart ------------------------------------------------------------------------------

    def restore(self, rows: Mapping[int, SavedRow], open_: Mapping[int, int]) -> None:
        """Take the rows of another process; before the first `bind`."""
        by_number = {0: self.other}
        for number, saved in rows.items():
            if not isinstance(saved.record, FlowRecord):
                continue
            row = self.other if number == 0 else FlowRow(saved.record.labels, saved.record.first_seen)
            row.number, row.last_seen = number, saved.last_seen
            row.answering = self._naming.peering.answering
            row.srtt_us, row.rtt_min_us, row.tls_version, row.alpn = saved.last
            self.words.add(row, self.counters.spread(saved.totals))
            row.active = row.opened + row.unsettled - row.closed
            if number:
                row.labels = self._naming.restored(row.labels)
                self.rows[row.labels] = by_number[number] = row
                self._next_number = max(self._next_number, number + 1)
        for flow, number in open_.items():
            if number in by_number:
                self._remember(flow, by_number[number])
        self._by_number = by_number

    def resume(self, slots: Mapping[int, SavedSlot], now: float) -> None:
        """Go on with slots that another process had bound; what they counted since is added."""
        for slot, saved in slots.items():
            self.counters.resume(slot, saved.id, saved.base)
            if slot:  # 0 is "other"
                row = self._by_number.get(saved.row, self.other)
                name = int(self._key[slot]["name"])
                self._attach(slot, _Binding(row, saved.id, saved.parent, name, saved.gen, row.first_seen))
        self._by_number = {}
        before, since = self.counters.read_resumed(np.fromiter(slots, np.intp), now)
        seen_before(self.counters, before, lambda slot: self._bindings[slot].row if slot else self.other)
        self._apply(before, None)
        self._apply(since, now)

    def saved(self, *, slots: bool) -> Iterator[Record]:
        """For the journal; without `slots` when they are about to vanish."""
        for row in (self.other, *self.rows.values()):
            yield self._record(row)
        if slots:
            yield Bound(FLOW, 0, 0, 0, 0, 0, self.counters.vector(0))
            for slot, bound in self._bindings.items():
                base = self.counters.vector(slot)
                yield Bound(FLOW, slot, bound.gen, bound.flow, bound.parent, bound.row.number, base)
        yield from (Open(flow, row.number) for flow, row in self._open.items())

    # --- names that change --------------------------------------------------------------------

    def rename(self, addresses: Iterable[str], now: float) -> None:
        """Addresses are known by another name than before, or are another one's: what is counted from now on goes
        there, what was counted stays where it is.
        """
        if self._naming.peering.take_synced():
            addresses = list(self._by_remote)
        for address in addresses:
            for slot in list(self._by_remote.get(address, ())):
                binding = self._bindings[slot]
                labels = self._naming.renamed(binding.row.labels, now, binding.since, keep_name=binding.again)
                if labels.peer == UNKNOWN_POD != binding.row.labels.peer:
                    self._held.hold(slot)
                else:
                    self._held.drop(slot)
                    self._relabel(slot, binding, labels, now)

    @property
    def held(self) -> set[int]:
        """Parents of the flows whose pod is gone, while it is waited for who is there now."""
        return {self._bindings[slot].parent for slot in self._held}

    def _let_go(self, now: float, *, everything: bool = False) -> None:
        """Who is there now is not known, and it was waited long enough."""
        for slot in self._held.due(everything=everything):
            binding = self._bindings[slot]
            labels = self._naming.renamed(binding.row.labels, now, binding.since, keep_name=binding.again)
            self._relabel(slot, binding, labels, now)

    def _relabel(self, slot: int, binding: _Binding, labels: FlowLabels, now: float) -> None:
        if labels == binding.row.labels:
            return
        row = self._row(labels, now)
        if row is not self.other:
            self._move(slot, binding, row)

    def reown(self, owners: Collection[int], now: float) -> None:
        """Somebody else than was thought is behind owners: what is counted from now on goes there."""
        wanted = np.fromiter(owners, np.uint64, len(owners))
        for slot in np.flatnonzero(np.isin(self._key["owner"], wanted)).tolist():
            binding = self._bindings.get(slot)
            if binding is None or binding.row is self.other:
                continue
            labels = self._naming.owned(binding.row.labels, self._key[slot], now)
            row = self._row(labels, now)
            if row is not binding.row and row is not self.other:
                self._move(slot, binding, row)

    def _move(self, slot: int, binding: _Binding, row: FlowRow) -> None:
        """Open connections go along as active ones, for they will be counted closed there: in `unsettled`, which is
        what was not opened in the row.
        """
        before = binding.row
        if (before.labels.peer, before.labels.workload) != (row.labels.peer, row.labels.workload):
            self._parents.relabel(binding.parent, row.labels)
        self._journal.put(Moved(FLOW, slot, binding.gen, row.number, self.counters.vector(slot)))
        binding.row = self._by_id[binding.flow] = row
        active = max(0, int(self._active(np.array([slot]))[0]))
        if active:
            before.unsettled -= active
            row.unsettled += active
            self._journal.put(Added(FLOW, before.number, {self.words.unsettled: -active}))
            self._journal.put(Added(FLOW, row.number, {self.words.unsettled: active}))
            self._balance(before)
            self._balance(row)

    def place(self) -> None:
        """Scopes and networks of all rows, where the host's addresses have changed."""
        if self._placed != self._naming.scopes.changes:
            self._placed = self._naming.scopes.changes
            for row in self.rows.values():
                row.labels = self._naming.placed(row.labels)

    def serve(self, addresses: set[str]) -> None:
        """Addresses may answer for another service than before."""
        for row in self.rows.values():
            if row.labels.local_ip in addresses:
                row.labels = self._naming.serving(row.labels)

    def _apply(self, changes: Changes, now: float | None) -> None:
        """Add changes to their rows, which were seen now; None: as before."""
        slots: list[int] = changes.slots.tolist()
        if not slots:
            return
        touched: dict[int, FlowRow] = {}
        last = self._slots[_LAST][changes.slots].tolist()
        for slot, added, (srtt, rtt_min, tls, alpn, client_port) in zip(
            slots, changes.added.tolist(), last, strict=True
        ):
            binding = self._bindings.get(slot)
            row = binding.row if binding else self.other
            self.words.add(row, added)
            touched[id(row)] = row
            if now is not None:
                row.last_seen = now
            if srtt:
                row.srtt_us = srtt
            if rtt_min and (not row.rtt_min_us or rtt_min < row.rtt_min_us):
                row.rtt_min_us = rtt_min
            if tls:
                row.tls_version = version_name(tls)
            if alpn:
                row.alpn = alpn_name(alpn)
            self._naming.peering.saw(row.labels, self.words.begun(added), client_port)
        for row in touched.values():  # after all: one slot may close what another one opened
            self._balance(row)

    def _balance(self, row: FlowRow) -> None:
        taken_back = balance(row)
        if taken_back:
            self._journal.put(Added(FLOW, row.number, {self.words.closed: -taken_back}))


def _counted(row: FlowRow) -> bool:
    return bool(row.opened or row.active or row.closed or row.bytes_in or row.bytes_out or row.failures)
