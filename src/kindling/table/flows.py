"""Flow slots to flow rows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kindling.model.codes import FAILURE_NAMES, INFERRED_OWNER, NameKind, RoleNumber
from kindling.model.labels import Evidence, FlowLabels, Role, Transport
from kindling.model.rows import FlowRow
from kindling.model.workload import OTHER, UNKNOWN
from kindling.protocols import by_number
from kindling.protocols.tls import alpn_name, version_name
from kindling.table.address import address_text
from kindling.table.counters import Changes, Counters
from kindling.table.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kindling.table.names import Names
    from kindling.table.owners import Owners
    from kindling.table.parents import Parents
    from kindling.table.resolved import ResolvedNames

ROLES: Final[dict[int, Role]] = {
    RoleNumber.UNKNOWN: "unknown",
    RoleNumber.CLIENT: "client",
    RoleNumber.SERVER: "server",
}
_EVIDENCE: Final[dict[int, Evidence]] = {NameKind.HOST: "host", NameKind.SNI: "sni"}
_UDP: Final = 17

#: Counters of a slot that are attributes of a row by the same name.
_SUMS: Final = (
    "opened",
    "closed",
    "closed_reset",
    "connect_ns",
    "connect_count",
    "duration_ns",
    "bytes_out",
    "bytes_in",
    "packets_out",
    "packets_in",
    "retransmits",
    "resets_out",
    "resets_in",
)

#: One of these moves with whatever happens to a connection.
_WATCH: Final = ("opened", "unsettled", "closed", "failed", "packets_out", "packets_in")

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


def transport_name(number: int) -> Transport:
    return "udp" if number == _UDP else "tcp"


@dataclass(slots=True)
class _Binding:
    """What a bound slot stands for, and what it refers to."""

    row: FlowRow
    flow: int
    parent: int
    name: int


class FlowTable:
    """Rows of connections, fed from the flow slots."""

    def __init__(
        self,
        slots: NDArray[np.void],
        owners: Owners,
        names: Names,
        parents: Parents,
        resolved: ResolvedNames,
        limit: int,
        lose: Callable[[str], None],
    ) -> None:
        self.counters = Counters(slots, "opened", "resets_in", _WATCH)
        self.rows: dict[FlowLabels, FlowRow] = {}
        self.patience = Patience()
        self._slots = slots
        self._key: Any = slots["key"]
        self._transport: NDArray[np.uint8] = self._key["transport"]
        self._parent: NDArray[np.uint64] = slots["parent"]
        self._owners = owners
        self._names = names
        self._parents = parents
        self._resolved = resolved
        self._limit = limit
        self._lose = lose
        self._bindings: dict[int, _Binding] = {}
        self._by_id: dict[int, FlowRow] = {}
        self._open: OrderedDict[int, FlowRow] = OrderedDict()
        self._columns = [(name, self.counters.column(name)) for name in _SUMS]
        self._unsettled = self.counters.column("unsettled")
        self._failed = list(zip(FAILURE_NAMES, self.counters.columns("failed"), strict=True))
        self._other = FlowRow(_OTHER_LABELS, 0.0)

    def row(self, flow: int) -> FlowRow | None:
        """The row of a flow's id, while a slot has it."""
        return self._by_id.get(flow)

    def bind(self, now: float, *, final: bool = False) -> None:
        """Finds out what new slots stand for. `final`: nothing more will come, do not wait."""
        for slot in self.counters.occupancy.arrivals():
            flow = self.counters.occupancy.id_of(slot)
            row = self._open.pop(flow, None)
            if row is None:
                labels, complete = self._labels(slot, now)
                if not complete and not final and self.patience.wait(slot):
                    continue
                row = self._row(labels, now)
            self.patience.found(slot)
            key = self._key[slot]
            binding = _Binding(row, flow, int(self._parent[slot]), int(key["name"]))
            self._bindings[slot] = binding
            self._by_id[flow] = row
            self._names.use(binding.name)
            self._parents.add_flow(binding.parent, row.labels, int(key["owner"]))
            self.counters.bind(slot, now)

    def update(self, now: float, *, everything: bool = False) -> None:
        """Adds what happened since the last reading."""
        self._apply(self.counters.read(now, everything=everything), now)

    def fold(self, slots: Sequence[int], now: float) -> None:
        """Last reading of slots that nobody writes any more."""
        self._apply(self.counters.read_slots(np.fromiter(slots, np.intp), now), now)

    def vacate(self, slots: Sequence[int]) -> None:
        """After the source has given the slots back."""
        self._end_conversations(slots)
        for slot in slots:
            gone = self._bindings.pop(slot)
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
        return [slot for slot in slots if not self._has_ops(slot)]

    def visible(self) -> list[FlowRow]:
        """Rows in which anything was counted."""
        return [row for row in (*self.rows.values(), self._other) if _counted(row)]

    def _end_conversations(self, slots: Sequence[int]) -> None:
        """Nothing tells a UDP socket that a remote has gone: being idle does."""
        active = self._active(np.fromiter(slots, np.intp)).tolist()
        for slot, open_ in zip(slots, active, strict=True):
            row = self._bindings[slot].row
            if open_ > 0 and row.labels.transport == "udp":
                row.closed += open_
                _balance(row)

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
            if len(self.rows) >= self._limit:
                self._lose("flow_rows")
                return self._other
            row = self.rows[labels] = FlowRow(labels, now)
        return row

    def _labels(self, slot: int, now: float) -> tuple[FlowLabels, bool]:
        """Labels by what is known, and whether that is all there is to know."""
        key = self._key[slot]
        owner = int(key["owner"])
        found = self._owners.workload(owner)
        workload = found or UNKNOWN
        name_id = int(key["name"])
        host = self._names.host(name_id) if name_id else (0, "")
        complete = found is not None and host is not None
        kind, name = host or (0, "")
        remote_ip = address_text(key["remote"].tobytes())
        role = ROLES.get(int(key["role"]), "unknown")
        if name == remote_ip:
            name = ""  # "Host: 192.0.2.1" names nothing
        evidence: Evidence = _EVIDENCE.get(kind, "address") if name else "address"
        if not name and role != "server":
            name = self._resolved.name(workload, remote_ip, now)
            evidence = "dns" if name else "address"
        labels = FlowLabels(
            workload=workload,
            role=role,
            transport=transport_name(int(key["transport"])),
            protocol=by_number(int(key["protocol"])).name,
            local_ip=address_text(key["local"].tobytes()),
            remote_ip=remote_ip,
            port=int(key["port"]),
            name=name,
            evidence=evidence,
            inferred=bool(key["inferred"]) or bool(owner & INFERRED_OWNER),
        )
        return labels, complete

    def _apply(self, changes: Changes, now: float) -> None:
        slots: list[int] = changes.slots.tolist()
        if not slots:
            return
        last = self._slots[["srtt_us", "rtt_min_us", "tls_version", "alpn"]][changes.slots].tolist()
        for slot, added, (srtt, rtt_min, tls, alpn) in zip(slots, changes.added.tolist(), last, strict=True):
            binding = self._bindings.get(slot)
            row = binding.row if binding else self._other
            for name, column in self._columns:
                if added[column]:
                    setattr(row, name, getattr(row, name) + added[column])
            for reason, column in self._failed:
                if added[column]:
                    row.failed[reason] += added[column]
            row.unsettled += _signed(added[self._unsettled])
            _balance(row)
            row.last_seen = now
            if srtt:
                row.srtt_us = srtt
            if rtt_min and (not row.rtt_min_us or rtt_min < row.rtt_min_us):
                row.rtt_min_us = rtt_min
            if tls:
                row.tls_version = version_name(tls)
            if alpn:
                row.alpn = alpn_name(alpn)


def _signed(word: int) -> int:
    """A gauge's difference modulo 2^64."""
    return word - (1 << 64) if word >> 63 else word


def _balance(row: FlowRow) -> None:
    """How many are active. A UDP socket may be closed after its conversation was ended for idleness."""
    row.active = row.opened + row.unsettled - row.closed
    if row.active < 0 and row.labels.transport == "udp":
        row.closed += row.active
        row.active = 0


def _counted(row: FlowRow) -> bool:
    return bool(row.opened or row.active or row.closed or row.bytes_in or row.bytes_out or row.failures)
