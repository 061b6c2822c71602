"""The tables that users see: what is in them, and what their columns are called.

The command line, the API and the index page all show these and no others.
"""

from __future__ import annotations

from typing import Final

from kindling.export import format as fmt
from kindling.export import records, rows
from kindling.export.cells import (
    FAILED,
    LAST,
    PEER,
    PROCESS,
    PROTOCOL,
    ROLE,
    WORKLOAD,
    addresses,
    answers,
    event_peer,
    number,
    text,
)
from kindling.export.table import Column, Table

_COMMON: Final = (
    "workload",
    "namespace",
    "port",
    "protocol",
    "transport",
    "role",
    "destination",
    "scope",
    "search",
    "since",
    "until",
)

_PEERS: Final = ("peer_workload", "peer_namespace")

FLOWS: Final = Table(
    name="flows",
    title="Connections: who talks to whom",
    columns=(
        WORKLOAD,
        PROCESS,
        ROLE,
        PEER,
        PROTOCOL,
        number("opened", "CONNS"),
        number("active", "OPEN"),
        FAILED,
        number("bytes_out", "SENT", fmt.size),
        number("bytes_in", "RECEIVED", fmt.size),
        number("srtt_us", "RTT", fmt.microseconds, rank=4),
        number("retransmits", "RETRANS", rank=5),
        LAST,
    ),
    sort="last_seen",
    rows=rows.flows,
    value=rows.flow_value,
    record=records.flow,
    number=rows.number,
    filters=(*_COMMON, *_PEERS, "evidence"),
    sortable=(
        "last_seen",
        "first_seen",
        "opened",
        "active",
        "failures",
        "bytes_out",
        "bytes_in",
        "packets_out",
        "packets_in",
        "srtt_us",
        "retransmits",
        "duration_ns",
        "workload",
        "name",
        "remote_ip",
        "port",
        "protocol",
        "role",
    ),
    empty="No connection was seen yet.",
)

REQUESTS: Final = Table(
    name="requests",
    title="Requests: what is asked, and how it is answered",
    columns=(
        WORKLOAD,
        ROLE,
        PEER,
        PROTOCOL,
        Column("operation", "OPERATION", text("operation"), least=18),
        Column("status", "STATUS", text("outcome")),
        number("count", "COUNT"),
        number("slow", "SLOW", rank=3),
        number("mean_ns", "MEAN", fmt.duration, rank=5),
        number("p50_ns", "P50", fmt.duration),
        number("p99_ns", "P99", fmt.duration, rank=4),
        LAST,
    ),
    sort="count",
    rows=rows.requests,
    value=rows.op_value,
    record=records.request,
    number=rows.number,
    filters=(*_COMMON, *_PEERS, "evidence", "status"),
    sortable=(
        "count",
        "slow",
        "error",
        "mean_ns",
        "duration_ns",
        "request_bytes",
        "response_bytes",
        "last_seen",
        "first_seen",
        "workload",
        "name",
        "operation",
        "status",
        "protocol",
        "role",
        "port",
    ),
    empty="No request of a known protocol was seen yet.",
)

DNS: Final = Table(
    name="dns",
    title="DNS: which names are asked for, and what comes back",
    columns=(
        WORKLOAD,
        ROLE,
        Column("server", "SERVER", lambda r: r["server"] or ":" + str(r["port"]), least=12),
        Column("type", "TYPE", text("type")),
        Column("question", "NAME", text("question"), least=20),
        Column("outcome", "OUTCOME", text("outcome")),
        number("count", "COUNT"),
        number("p50_ns", "P50", fmt.duration),
        number("p99_ns", "P99", fmt.duration, rank=4),
        Column("answers", "ANSWER", answers, least=16, rank=4),
        LAST,
    ),
    sort="count",
    rows=rows.dns,
    value=rows.dns_value,
    record=rows.dns_record,
    number=rows.dns_number,
    filters=(*_COMMON, *_PEERS, "evidence", "status"),
    sortable=("count", "mean_ns", "question", "workload", "status", "error", "last_seen", "first_seen"),
    empty="No DNS query was seen yet.",
)

EXTERNAL: Final = Table(
    name="external",
    title="Destinations outside this host",
    columns=(
        Column("destination", "DESTINATION", text("destination"), least=24),
        Column("evidence", "KNOWN BY", text("evidence"), rank=5),
        Column("addresses", "ADDRESS", addresses, least=16, rank=4),
        Column("port", "PORT", text("port"), "right"),
        PROTOCOL,
        WORKLOAD,
        PROCESS,
        number("connections", "CONNS"),
        number("active", "OPEN"),
        FAILED,
        number("bytes_out", "SENT", fmt.size),
        number("bytes_in", "RECEIVED", fmt.size),
        LAST,
    ),
    sort="connections",
    rows=rows.external,
    value=rows.external_value,
    record=records.external,
    number=rows.number,
    filters=(*_COMMON, "evidence"),
    sortable=(
        "connections",
        "active",
        "failures",
        "bytes_out",
        "bytes_in",
        "destination",
        "port",
        "evidence",
        "protocol",
        "workload",
        "last_seen",
        "first_seen",
    ),
    empty="No connection to a destination outside this host was seen yet.",
)


EVENTS: Final = Table(
    name="events",
    title="Slow or failed requests, and connections that did not come to be",
    columns=(
        Column("time", "TIME", lambda r: fmt.clock(r["time"])),
        WORKLOAD,
        PROCESS,
        Column("role", "ROLE", lambda r: str(r["role"]), rank=3),
        Column("remote_ip", "PEER", event_peer, least=22, keep_end=True),
        Column("reason", "WHY", text("reason")),
        number("duration_ns", "TOOK", fmt.duration),
        Column("operation", "REQUEST", lambda r: fmt.text(r.get("request") or r.get("operation") or "-"), least=16),
        Column("status", "STATUS", lambda r: fmt.text(r.get("status") or "-"), rank=1),
    ),
    sort="time",
    rows=rows.events,
    value=rows.event_value,
    record=records.event,
    number=rows.event_number,
    filters=(*_COMMON, *_PEERS, "status", "reason"),
    sortable=("time", "duration_ns", "workload", "name", "role"),
    empty="No slow or failed request and no failed connection was seen yet.",
)

TABLES: Final = {table.name: table for table in (FLOWS, REQUESTS, DNS, EXTERNAL)}
