"""Every metric family, once: name, type, unit, labels, help.

The names, units and labels of `kindling_entity_*`, `kindling_topology_*`, `kindling_trace_*` and
`kindling_tcp_*` are those that users' dashboards already query; docs/metrics.md tells each family's story.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FamilyType = Literal["counter", "gauge", "histogram"]

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
    "node",
    *_SIDE,
    "dst_ip",
    "dst_name",
    "dst_port",
    "evidence",
    "transport",
    "protocol",
)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family. `unit` is what one unit of the value is, "" for a plain number."""

    name: str
    type: FamilyType
    unit: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def header(self) -> str:
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.type}\n"


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
    "Duration of the last slow or failed request with these labels.",
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
EXTERNAL_CONNECTIONS: Final = Family(
    "kindling_external_connections_total",
    "counter",
    "connections",
    "Connections from this host to destinations outside it; over UDP, sockets that spoke with one.",
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
    "kindling_external_failures_total",
    "counter",
    "connections",
    "Connections to destinations outside this host that did not come to be.",
    (*EXTERNAL_LABELS, "reason"),
)
LOST: Final = Family(
    "kindling_agent_lost_total",
    "counter",
    "",
    "What was not counted or not shown, by cause.",
    ("cause",),
)
DROPS: Final = Family(
    "kindling_agent_kernel_drops_total",
    "counter",
    "packets",
    "Packets that the kernel dropped, by its own reason. Only where `kindling check` lists drop reasons.",
    ("reason",),
)
BUILD_INFO: Final = Family("kindling_agent_build_info", "gauge", "", "Always 1; tells the version.", ("version",))
SINCE: Final = Family(
    "kindling_agent_watching_since_seconds",
    "gauge",
    "seconds",
    "When counting began, in seconds since 1970.",
)
TICKS: Final = Family("kindling_agent_ticks_total", "counter", "", "Readings of the probe's tables.")
TICK_SECONDS: Final = Family(
    "kindling_agent_tick_seconds_total", "counter", "seconds", "Time spent in reading the probe's tables."
)
SLOTS_USED: Final = Family(
    "kindling_agent_slots_used", "gauge", "slots", "Slots of the probe's tables in use.", ("table",)
)
SLOTS_CAPACITY: Final = Family(
    "kindling_agent_slots_capacity", "gauge", "slots", "Slots of the probe's tables.", ("table",)
)
SLOTS_RECYCLED: Final = Family(
    "kindling_agent_slots_recycled_total",
    "counter",
    "slots",
    "Idle slots of the probe's tables that were given back.",
    ("table",),
)
ROWS: Final = Family("kindling_agent_rows", "gauge", "rows", "Rows of the agent's tables.", ("table",))
TRACE_EVICTED: Final = Family(
    "kindling_agent_trace_evicted_total",
    "counter",
    "series",
    "Series of kindling_trace_request_duration_nanoseconds given up because there were too many.",
)
CPU: Final = Family("process_cpu_seconds_total", "counter", "seconds", "User and system CPU time of the agent.")
MEMORY: Final = Family("process_resident_memory_bytes", "gauge", "bytes", "Resident memory of the agent.")
STARTED: Final = Family(
    "process_start_time_seconds", "gauge", "seconds", "When the agent started, in seconds since 1970."
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
    TRACE,
    TCP_SRTT,
    TCP_RETRANSMITS,
    TCP_CONNECTS,
    TCP_CONNECT_DURATION,
    WORKLOAD_INFO,
    EXTERNAL_CONNECTIONS,
    EXTERNAL_BYTES,
    EXTERNAL_FAILURES,
    LOST,
    DROPS,
    BUILD_INFO,
    SINCE,
    TICKS,
    TICK_SECONDS,
    SLOTS_USED,
    SLOTS_CAPACITY,
    SLOTS_RECYCLED,
    ROWS,
    TRACE_EVICTED,
    CPU,
    MEMORY,
    STARTED,
)
