"""Rows as flat JSON records: what `--output json` and /api/v1 show. Live and replayed rows give the same."""

from __future__ import annotations

from typing import Any, Final

from kindling.export.external import ExternalRow
from kindling.export.quantiles import quantiles
from kindling.export.record_types import (
    DnsRecord,
    EndpointRecord,
    EventRecord,
    ExternalRecord,
    FlowRecord,
    PeerRecord,
    RequestEventRecord,
    RequestRecord,
    WorkloadRecord,
)
from kindling.model import DnsAnswer, FailureEvent, FlowLabels, FlowRow, OpLabels, OpRow, Peer, RequestEvent, Workload

Record = dict[str, Any]

_NOBODY: Final = Peer("pod")


def workload(who: Workload) -> WorkloadRecord:
    return {
        "workload": who.name,
        "workload_kind": who.kind,
        "namespace": who.namespace,
        "container": who.container,
        "container_id": who.container_id,
        "pod": who.pod,
        "pid": who.pid,
        "comm": who.comm,
        "exe": who.exe,
    }


def peer(found: Peer | None) -> PeerRecord:
    """The other end."""
    found = found or _NOBODY
    return {
        "peer_kind": found.kind if found is not _NOBODY else "",
        "peer_namespace": found.namespace,
        "peer_workload_kind": found.workload_kind,
        "peer_workload": found.workload_name,
        "peer_pod": found.pod,
        "peer_service": found.service,
        "peer_node": found.node,
        "peer_ip": found.backend_ip,
        "peer_port": found.backend_port,
        "peer_host_network": found.host_network,
    }


def _endpoint(labels: FlowLabels | OpLabels) -> EndpointRecord:
    return {
        **workload(labels.workload),
        **peer(labels.peer),
        "role": labels.role,
        "transport": labels.transport,
        "protocol": labels.protocol,
        "local_ip": labels.local_ip,
        "remote_ip": labels.remote_ip,
        "port": labels.port,
        "name": labels.name,
        "evidence": labels.evidence,
        "service": labels.service,
        "inferred": labels.inferred,
    }


def flow(row: FlowRow) -> FlowRecord:
    """Connections between a workload and a remote endpoint."""
    labels = row.labels
    return {
        **_endpoint(labels),
        "peer_backends": list(row.answering(labels)) if row.answering else [],
        "scope": labels.scope,
        "network": labels.network,
        "opened": row.opened,
        "active": row.active,
        "closed": row.closed,
        "closed_reset": row.closed_reset,
        "failures": row.failures,
        "failed": {reason: n for reason, n in row.failed.items() if n},
        "connect_count": row.connect_count,
        "connect_ns": row.connect_ns,
        "connect_mean_ns": row.connect_ns // row.connect_count if row.connect_count else 0,
        "duration_ns": row.duration_ns,
        "bytes_out": row.bytes_out,
        "bytes_in": row.bytes_in,
        "packets_out": row.packets_out,
        "packets_in": row.packets_in,
        "retransmits": row.retransmits,
        "resets_out": row.resets_out,
        "resets_in": row.resets_in,
        "srtt_us": row.srtt_us,
        "rtt_min_us": row.rtt_min_us,
        "tls_version": row.tls_version,
        "alpn": row.alpn,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
    }


def request(row: OpRow) -> RequestRecord:
    """Requests of one operation with one status. Quantiles are off by at most 12.5 %."""
    labels = row.labels
    count = row.count
    p50, p90, p99 = quantiles(row.hist, (0.5, 0.9, 0.99))
    return {
        **_endpoint(labels),
        "operation": labels.operation,
        "content": labels.content,
        "status": labels.status,
        "outcome": outcome(labels),
        "error": labels.error,
        "count": count,
        "slow": row.slow,
        "duration_ns": row.duration_ns,
        "send_ns": row.send_ns,
        "wait_ns": row.wait_ns,
        "receive_ns": row.receive_ns,
        "mean_ns": row.duration_ns // count if count else 0,
        "p50_ns": round(p50),
        "p90_ns": round(p90),
        "p99_ns": round(p99),
        "request_bytes": row.request_bytes,
        "response_bytes": row.response_bytes,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
    }


def dns(row: OpRow, answer: DnsAnswer | None) -> DnsRecord:
    """A DNS question with one outcome, and the newest answer to it that was seen."""
    kind, _, question = row.labels.operation.partition(" ")
    return {
        **request(row),
        "type": kind if question else "",
        "question": question or row.labels.operation,
        "server": row.labels.remote_ip,
        "answers": [
            {"name": r.name, "type": r.type, "ttl": r.ttl, "value": r.value} for r in (answer.records if answer else ())
        ],
    }


def outcome(labels: OpLabels) -> str:
    """The status in words where there are any: "NXDOMAIN"."""
    status = labels.status
    if not status:
        return "no answer"
    if labels.protocol == "dns" and status.isdigit():
        from kindling.protocols.registry import by_name  # commands that ask an agent need no parsers

        return by_name("dns").explain(int(status) + 1)  # the probe counts rcodes from 1 on
    return status


def external(row: ExternalRow) -> ExternalRecord:
    """A destination outside this host, under one name or address."""
    return {
        **workload(row.workload),
        "destination": row.destination,
        "name": row.name,
        "evidence": row.evidence,
        "addresses": sorted(row.addresses),
        "port": row.port,
        "transport": row.transport,
        "protocol": row.protocol,
        "scope": row.scope,
        "network": row.network,
        "inferred": row.inferred,
        "connections": row.connections,
        "active": row.active,
        "failures": row.failures,
        "failed": {reason: n for reason, n in row.failed.items() if n},
        "bytes_out": row.bytes_out,
        "bytes_in": row.bytes_in,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
    }


def event(event: RequestEvent | FailureEvent) -> EventRecord | RequestEventRecord:
    """A slow or failed request, or a connection that did not come to be."""
    owner = workload(event.workload)
    owner["pid"] = event.pid or owner["pid"]
    common: EventRecord = {
        "kind": "request" if isinstance(event, RequestEvent) else "connection",
        "time": event.time,
        **owner,
        **peer(event.peer),
        "role": event.role,
        "transport": event.transport,
        "local_ip": event.local_ip,
        "local_port": event.local_port,
        "remote_ip": event.remote_ip,
        "remote_port": event.remote_port,
        "name": event.name,
        "duration_ns": event.duration_ns,
        "reason": reason(event),
    }
    if isinstance(event, FailureEvent):
        return common
    return {
        **common,
        "protocol": event.protocol,
        "operation": event.operation,
        "request": event.request,
        "status": event.status,
        "error": event.error,
        "slow": event.slow,
        "send_ns": event.send_ns,
        "wait_ns": event.wait_ns,
        "receive_ns": event.receive_ns,
        "request_bytes": event.request_bytes,
        "response_bytes": event.response_bytes,
    }


def reason(event: RequestEvent | FailureEvent) -> str:
    """Why it was kept."""
    if isinstance(event, FailureEvent):
        return event.reason
    return "error" if event.error else "slow"
