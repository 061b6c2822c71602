"""What records consist of. The API's description and the headers of CSV are made from these.

Times are unix seconds, durations nanoseconds (`_ns`) or microseconds (`_us`), sizes bytes.
"""

from __future__ import annotations

from typing import Final, TypedDict


class WorkloadRecord(TypedDict):
    """Who opened the socket; `pid`, `comm` and `exe` are those of its first process."""

    workload: str
    workload_kind: str
    namespace: str
    container: str
    container_id: str
    pod: str
    pid: int
    comm: str
    exe: str


class PeerRecord(TypedDict):
    """Who of the cluster is at the other end; all empty where nobody is, or it is not known."""

    peer_kind: str
    peer_namespace: str
    peer_workload_kind: str
    peer_workload: str
    peer_pod: str
    peer_service: str
    peer_node: str
    peer_ip: str
    peer_port: int
    peer_host_network: bool


class EndpointRecord(WorkloadRecord, PeerRecord):
    """And with whom it speaks."""

    role: str
    transport: str
    protocol: str
    local_ip: str
    remote_ip: str
    port: int
    name: str
    evidence: str
    service: str
    inferred: bool


class FlowRecord(EndpointRecord):
    """Connections between a workload and a remote endpoint."""

    peer_backends: list[str]
    scope: str
    network: str
    opened: int
    active: int
    closed: int
    closed_reset: int
    failures: int
    failed: dict[str, int]
    connect_count: int
    connect_ns: int
    connect_mean_ns: int
    duration_ns: int
    bytes_out: int
    bytes_in: int
    packets_out: int
    packets_in: int
    retransmits: int
    resets_out: int
    resets_in: int
    srtt_us: int
    rtt_min_us: int
    tls_version: str
    alpn: str
    first_seen: float
    last_seen: float


class RequestRecord(EndpointRecord):
    """Requests of one operation with one status."""

    operation: str
    content: str
    status: str
    outcome: str
    error: bool
    count: int
    slow: int
    duration_ns: int
    send_ns: int
    wait_ns: int
    receive_ns: int
    mean_ns: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    request_bytes: int
    response_bytes: int
    first_seen: float
    last_seen: float


class AnswerRecord(TypedDict):
    """One record of a DNS answer."""

    name: str
    type: str
    ttl: int
    value: str


class DnsRecord(RequestRecord):
    """A DNS question with one outcome, and the newest answer to it that was seen."""

    type: str
    question: str
    server: str
    answers: list[AnswerRecord]


class ExternalRecord(WorkloadRecord):
    """A destination outside this host, under one name or address."""

    destination: str
    name: str
    evidence: str
    addresses: list[str]
    port: int
    transport: str
    protocol: str
    scope: str
    network: str
    inferred: bool
    connections: int
    active: int
    failures: int
    failed: dict[str, int]
    bytes_out: int
    bytes_in: int
    first_seen: float
    last_seen: float


class EventRecord(WorkloadRecord, PeerRecord):
    """What connections that did not come to be, and slow or failed requests have in common."""

    kind: str
    time: float
    role: str
    transport: str
    local_ip: str
    local_port: int
    remote_ip: str
    remote_port: int
    name: str
    duration_ns: int
    reason: str


class RequestEventRecord(EventRecord, total=False):
    """The others only requests have."""

    protocol: str
    operation: str
    request: str
    status: str
    error: bool
    slow: bool
    send_ns: int
    wait_ns: int
    receive_ns: int
    request_bytes: int
    response_bytes: int


class CauseRecord(TypedDict):
    """How often something was lost, since when, and what that means."""

    count: int
    since: float
    reason: str


class CoverageRecord(TypedDict):
    """What the numbers do not contain."""

    time: float
    since: float
    lost: int
    causes: dict[str, CauseRecord]


RECORD_TYPES: Final[dict[str, type]] = {
    "flows": FlowRecord,
    "requests": RequestRecord,
    "dns": DnsRecord,
    "external": ExternalRecord,
    "events": RequestEventRecord,
}


def fields(table: str) -> tuple[str, ...]:
    """The keys of a table's records, in order."""
    return _fields(RECORD_TYPES[table])


def _fields(record: type) -> tuple[str, ...]:
    # __annotations__ of a TypedDict holds those of its bases too, first
    return tuple(record.__annotations__)
