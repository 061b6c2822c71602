"""Every metric family, once: name, type, unit, labels, help.

The names, units and labels of `kindling_entity_*`, `kindling_topology_*`, `kindling_trace_*` and
`kindling_tcp_*` are those that users' dashboards already query; docs/metrics.md tells each family's story.
"""

from __future__ import annotations

from typing import Final

from kindling.export.agent_families import AGENT_FAMILIES
from kindling.export.family import Family

_SIDE: Final = ("namespace", "workload_kind", "workload_name", "service", "pod", "container", "container_id")


def _pair(names: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f"src_{n}" for n in names), *(f"dst_{n}" for n in names))


ENTITY_LABELS: Final = (*_SIDE, "node", "ip", "port", "protocol", "request_content", "response_content")
_TOPOLOGY_PAIR: Final = _pair(("node", *_SIDE, "ip"))
TOPOLOGY_LABELS: Final = (*_TOPOLOGY_PAIR, "dst_port", "protocol", "status_code")
TRACE_LABELS: Final = (
    *_TOPOLOGY_PAIR,
    "dst_port",
    "protocol",
    "dnat_ip",
    "dnat_port",
    "is_server",
    "request_content",
    "response_content",
    "request_duration_status",
    "request_reqxfer_status",
    "request_processing_status",
    "response_rspxfer_status",
)
_TCP_SIDE: Final = (
    "node",
    "node_ip",
    "namespace",
    "pod",
    "workload_name",
    "workload_kind",
    "service",
    "ip",
    "port",
    "container",
    "container_id",
)
TCP_LABELS: Final = _pair(_TCP_SIDE)
CONNECT_LABELS: Final = (*(n for n in TCP_LABELS if n != "src_port"), "dnat_ip", "dnat_port")
DURATION_LABELS: Final = (
    "role",
    "node",
    *_SIDE,
    "ip",
    "dst_ip",
    "dst_name",
    "port",
    "protocol",
    "request_content",
    "response_content",
)
EXTERNAL_LABELS: Final = (
    "src_node",
    *(f"src_{n}" for n in _SIDE),
    "destination",
    "dst_port",
    "transport",
    "protocol",
    "scope",
    "network",
    "evidence",
)
_DNS_LABELS: Final = ("role", "node", *_SIDE, "server", "transport")
DNS_QUERY_LABELS: Final = (*_DNS_LABELS, "domain", "type", "rcode")
DNS_SERVER_LABELS: Final = _DNS_LABELS


ENTITY_REQUESTS: Final = Family(
    "kindling_entity_request_total",
    "counter",
    "requests",
    "Requests answered by a workload of this host.",
    (*ENTITY_LABELS, "is_slow"),
)
ENTITY_DURATION: Final = Family(
    "kindling_entity_request_duration_nanoseconds_total",
    "counter",
    "nanoseconds",
    "Sum of the durations of the requests answered.",
    ENTITY_LABELS,
)
ENTITY_SENT: Final = Family(
    "kindling_entity_request_send_bytes_total",
    "counter",
    "bytes",
    "Bytes of the responses sent.",
    ENTITY_LABELS,
)
ENTITY_RECEIVED: Final = Family(
    "kindling_entity_request_receive_bytes_total",
    "counter",
    "bytes",
    "Bytes of the requests received.",
    ENTITY_LABELS,
)
TOPOLOGY_REQUESTS: Final = Family(
    "kindling_topology_request_total",
    "counter",
    "requests",
    "Requests sent by a workload of this host.",
    (*TOPOLOGY_LABELS, "is_slow"),
)
TOPOLOGY_DURATION: Final = Family(
    "kindling_topology_request_duration_nanoseconds_total",
    "counter",
    "nanoseconds",
    "Sum of the durations of the requests sent.",
    TOPOLOGY_LABELS,
)
TOPOLOGY_SENT: Final = Family(
    "kindling_topology_request_request_bytes_total",
    "counter",
    "bytes",
    "Bytes of the requests sent.",
    TOPOLOGY_LABELS,
)
TOPOLOGY_RECEIVED: Final = Family(
    "kindling_topology_request_response_bytes_total",
    "counter",
    "bytes",
    "Bytes of the responses received.",
    TOPOLOGY_LABELS,
)
TRACE: Final = Family(
    "kindling_trace_request_duration_nanoseconds",
    "gauge",
    "nanoseconds",
    "Duration of the last slow or failed request with these labels; for addresses outside this host, where"
    " request_content is empty, the mean of all requests or attempts to connect.",
    TRACE_LABELS,
)
TCP_SRTT: Final = Family(
    "kindling_tcp_srtt_microseconds",
    "gauge",
    "microseconds",
    "Smoothed round-trip time, last value of the pair.",
    TCP_LABELS,
)
TCP_RETRANSMITS: Final = Family(
    "kindling_tcp_retransmit_total",
    "counter",
    "segments",
    "TCP segments sent again.",
    TCP_LABELS,
)
TCP_CONNECTS: Final = Family(
    "kindling_tcp_connect_total",
    "counter",
    "connections",
    "Attempts of workloads of this host to connect.",
    (*CONNECT_LABELS, "success", "errno"),
)
TCP_CONNECT_DURATION: Final = Family(
    "kindling_tcp_connect_duration_nanoseconds_total",
    "counter",
    "nanoseconds",
    "Sum of the durations of the successful attempts to connect.",
    CONNECT_LABELS,
)
WORKLOAD_INFO: Final = Family(
    "kindling_k8s_workload_info",
    "gauge",
    "",
    "Always 1, for every workload that talked.",
    ("namespace", "workload_kind", "workload_name"),
)
REQUEST_DURATION: Final = Family(
    "kindling_request_duration_seconds",
    "histogram",
    "seconds",
    "Duration of requests, from their first byte to the last byte of the response.",
    DURATION_LABELS,
)
REQUEST_ERRORS: Final = Family(
    "kindling_request_errors_total",
    "counter",
    "requests",
    "Requests that failed, by the protocol's own rules.",
    DURATION_LABELS,
)
DNS_REQUESTS: Final = Family(
    "kindling_dns_requests_total",
    "counter",
    "requests",
    "DNS queries by the result; those that nobody answered have no rcode.",
    DNS_QUERY_LABELS,
)
DNS_UNANSWERED: Final = Family(
    "kindling_dns_unanswered_total",
    "counter",
    "requests",
    "DNS queries that nobody answered.",
    tuple(name for name in DNS_QUERY_LABELS if name != "rcode"),
)
DNS_DURATION: Final = Family(
    "kindling_dns_request_duration_seconds",
    "histogram",
    "seconds",
    "Time until DNS queries were answered.",
    DNS_SERVER_LABELS,
)
EXTERNAL_CONNECTIONS: Final = Family(
    "kindling_external_connections_total",
    "counter",
    "connections",
    "Connections from this host to destinations outside it; over UDP, sockets that spoke with one.",
    EXTERNAL_LABELS,
)
EXTERNAL_ACTIVE: Final = Family(
    "kindling_external_active_connections",
    "gauge",
    "connections",
    "Connections to destinations outside this host that are open.",
    EXTERNAL_LABELS,
)
EXTERNAL_BYTES: Final = Family(
    "kindling_external_bytes_total",
    "counter",
    "bytes",
    "Payload exchanged with destinations outside this host.",
    (*EXTERNAL_LABELS, "direction"),
)
EXTERNAL_FAILURES: Final = Family(
    "kindling_external_connect_failures_total",
    "counter",
    "connections",
    "Connections to destinations outside this host that did not come to be.",
    (*EXTERNAL_LABELS, "reason"),
)
EXTERNAL_NEW: Final = Family(
    "kindling_external_new_total",
    "counter",
    "",
    "What workloads did outside this host for the first time, by what was new about it.",
    ("kind",),
)

FAMILIES: Final = (
    ENTITY_REQUESTS,
    ENTITY_DURATION,
    ENTITY_SENT,
    ENTITY_RECEIVED,
    TOPOLOGY_REQUESTS,
    TOPOLOGY_DURATION,
    TOPOLOGY_SENT,
    TOPOLOGY_RECEIVED,
    REQUEST_DURATION,
    REQUEST_ERRORS,
    TRACE,
    DNS_REQUESTS,
    DNS_UNANSWERED,
    DNS_DURATION,
    TCP_SRTT,
    TCP_RETRANSMITS,
    TCP_CONNECTS,
    TCP_CONNECT_DURATION,
    WORKLOAD_INFO,
    EXTERNAL_CONNECTIONS,
    EXTERNAL_ACTIVE,
    EXTERNAL_BYTES,
    EXTERNAL_FAILURES,
    EXTERNAL_NEW,
    *AGENT_FAMILIES,
)
