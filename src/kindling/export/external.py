"""Destinations outside this host: flows put together by who talks and to whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kindling.export.horizon import Horizon
from kindling.model import EVIDENCE_ORDER, FlowRow, Workload
from kindling.model.codes import FAILURE_NAMES


class ExternalRow:
    """All connections of a workload, of all its pods, to one name (or address, where no name is known) and port."""

    __slots__ = (
        "active",
        "addresses",
        "bytes_in",
        "bytes_out",
        "connections",
        "evidence",
        "failed",
        "first_seen",
        "inferred",
        "last_seen",
        "name",
        "network",
        "number",
        "port",
        "protocol",
        "scope",
        "transport",
        "workload",
    )

    def __init__(self, first: FlowRow) -> None:
        labels = first.labels
        self.workload = _pod_less(labels.workload)
        self.name = labels.name
        self.port = labels.port
        self.transport = labels.transport
        self.protocol = labels.protocol
        self.evidence = labels.evidence
        self.scope = labels.scope
        self.network = labels.network
        self.number = first.number
        self.inferred = False
        self.addresses: set[str] = set()
        self.first_seen = first.first_seen
        self.last_seen = first.last_seen
        self.connections = self.active = 0
        self.bytes_out = self.bytes_in = 0
        self.failed = dict.fromkeys(FAILURE_NAMES, 0)

    @property
    def destination(self) -> str:
        return self.name or next(iter(self.addresses))

    @property
    def failures(self) -> int:
        return sum(self.failed.values())

    def add(self, row: FlowRow) -> None:
        labels = row.labels
        self.addresses.add(labels.remote_ip)
        self.evidence = min(self.evidence, labels.evidence, key=EVIDENCE_ORDER.index)
        if self.protocol == "unknown":
            self.protocol = labels.protocol
        self.inferred = self.inferred or labels.inferred
        self.connections += row.opened
        self.active += row.active
        self.bytes_out += row.bytes_out
        self.bytes_in += row.bytes_in
        self.number = min(self.number, row.number)
        self.first_seen = min(self.first_seen, row.first_seen)
        self.last_seen = max(self.last_seen, row.last_seen)
        for reason, n in row.failed.items():
            self.failed[reason] += n


def _pod_less(workload: Workload) -> Workload:
    return replace(workload, pod="") if workload.pod else workload


def external_rows(flows: Iterable[FlowRow], horizon: Horizon) -> list[ExternalRow]:
    """In no particular order."""
    rows: dict[tuple[object, ...], ExternalRow] = {}
    for row in flows:
        labels = row.labels
        if not horizon.sees_outside(labels):
            continue
        destination = labels.name or labels.remote_ip
        key = (_pod_less(labels.workload), destination, labels.port, labels.transport)
        found = rows.get(key)
        if found is None:
            found = rows[key] = ExternalRow(row)
        found.add(row)
    return list(rows.values())
