"""The rows of each table, their values by the keys of records, and what tells one row from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from kindling.export import records
from kindling.export.external import ExternalRow, external_rows
from kindling.export.horizon import Horizon
from kindling.export.order import Row
from kindling.model import DnsAnswer, FailureEvent, FlowRow, OpRow, RequestEvent, Snapshot

_OF_WORKLOAD: Final = {
    "workload": "name",
    "workload_kind": "kind",
    "namespace": "namespace",
    "container": "container",
    "pod": "pod",
    "comm": "comm",
}
_OF_PEER: Final = {
    "peer_kind": "kind",
    "peer_namespace": "namespace",
    "peer_workload_kind": "workload_kind",
    "peer_workload": "workload_name",
    "peer_pod": "pod",
    "peer_service": "service",
    "peer_node": "node",
    "peer_host_network": "host_network",
}


def flow_value(row: FlowRow | OpRow, key: str) -> Any:
    labels = row.labels
    if attribute := _OF_WORKLOAD.get(key):
        return getattr(labels.workload, attribute)
    if attribute := _OF_PEER.get(key):
        return getattr(labels.peer, attribute, "")
    return getattr(row, key, None) if hasattr(row, key) else getattr(labels, key, None)


def op_value(row: OpRow, key: str) -> Any:
    if key == "mean_ns":
        return row.duration_ns / row.count if row.count else 0.0
    if key == "outcome":
        return records.outcome(row.labels)
    return flow_value(row, key)


def external_value(row: ExternalRow, key: str) -> Any:
    if attribute := _OF_WORKLOAD.get(key):
        return getattr(row.workload, attribute)
    return getattr(row, key, None)


def number(row: Row) -> int:
    found: int = row.number
    return found


def flows(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    del horizon
    return list(snapshot.flows)


def requests(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    """Those of every protocol."""
    del horizon
    return [row for row in snapshot.ops if row.count]


@dataclass(frozen=True, slots=True)
class _DnsRow:
    op: OpRow
    answer: DnsAnswer | None


def dns(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    del horizon
    newest: dict[tuple[Any, ...], DnsAnswer] = {}
    for answer in snapshot.answers:
        newest[answer.type, answer.question] = newest[answer.workload, answer.type, answer.question] = answer
    found: list[Row] = []
    for op in snapshot.ops:
        if op.labels.protocol == "dns" and op.count:
            kind, _, question = op.labels.operation.partition(" ")
            own = newest.get((op.labels.workload, kind, question))
            found.append(_DnsRow(op, own or newest.get((kind, question))))
    return found


def dns_record(row: _DnsRow) -> Mapping[str, Any]:
    return records.dns(row.op, row.answer if not row.op.labels.error else None)


def dns_value(row: _DnsRow, key: str) -> Any:
    return row.op.labels.content if key == "question" else op_value(row.op, key)


def dns_number(row: _DnsRow) -> int:
    return row.op.number


def external(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    return list(external_rows(snapshot.flows, horizon))


def events(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    del horizon
    return [*snapshot.requests, *snapshot.failures]


def event_value(row: RequestEvent | FailureEvent, key: str) -> Any:
    if attribute := _OF_WORKLOAD.get(key):
        return getattr(row.workload, attribute)
    if attribute := _OF_PEER.get(key):
        return getattr(row.peer, attribute, "")
    if key == "reason":
        return records.reason(row)
    if key == "port":
        return row.local_port if row.role == "server" else row.remote_port
    return getattr(row, "time" if key in {"first_seen", "last_seen"} else key, None)


def event_number(row: RequestEvent | FailureEvent) -> int:
    """The same for the same event, also in another answer."""
    what = row.request if isinstance(row, RequestEvent) else row.reason
    ends = f"{row.time} {row.pid} {row.local_ip} {row.local_port} {row.remote_ip} {row.remote_port} {what}"
    return int.from_bytes(blake2b(ends.encode(errors="replace"), digest_size=6).digest())
