"""Rows, events and snapshots for tests: every value can be given, none has to."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any

from kindling.model import (
    FailureEvent,
    FlowLabels,
    FlowRow,
    OpLabels,
    OpRow,
    RequestEvent,
    Snapshot,
    Workload,
)
from kindling.model.histogram import bucket

#: 2024-03-05 12:00:00 UTC
NOON = 1_709_640_000.0

CURL = Workload(kind="process", name="curl", pid=4711, comm="curl", exe="/usr/bin/curl")
NGINX = Workload(kind="unit", name="nginx.service", pid=80, comm="nginx", exe="/usr/sbin/nginx")
SHOP = Workload(kind="container", name="shop", container="shop", container_id="0123456789ab", pid=99, comm="node")


#: Rows are told apart by their number.
_NUMBERS = count(1)


def _split(values: dict[str, Any], labels: type) -> tuple[dict[str, Any], dict[str, Any]]:
    names = set(labels.__dataclass_fields__)  # type: ignore[attr-defined]
    return {k: v for k, v in values.items() if k in names}, {k: v for k, v in values.items() if k not in names}


def _fill(row: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name == "failed":
            row.failed |= value
        else:
            setattr(row, name, value)


def flow(**values: Any) -> FlowRow:
    """An HTTPS client, unless told otherwise."""
    given, counters = _split(values, FlowLabels)
    labels: dict[str, Any] = {
        "workload": CURL,
        "role": "client",
        "transport": "tcp",
        "protocol": "tls",
        "local_ip": "192.0.2.10",
        "remote_ip": "93.184.216.34",
        "port": 443,
        "name": "example.org",
        "evidence": "sni",
        "inferred": False,
    }
    row = FlowRow(FlowLabels(**(labels | given)), NOON)
    row.number = next(_NUMBERS)
    _fill(row, counters)
    return row


def op(durations_ms: tuple[float, ...] = (), **values: Any) -> OpRow:
    """HTTP requests of a client that took so long each."""
    given, counters = _split(values, OpLabels)
    labels: dict[str, Any] = {
        "workload": CURL,
        "role": "client",
        "protocol": "http",
        "local_ip": "192.0.2.10",
        "remote_ip": "93.184.216.34",
        "port": 80,
        "name": "example.org",
        "operation": "GET /users/*",
        "content": "/users/*",
        "status": "200",
        "error": False,
    }
    row = OpRow(OpLabels(**(labels | given)), NOON)
    row.number = next(_NUMBERS)
    for duration in durations_ms:
        row.hist[bucket(int(duration * 1e6))] += 1
        row.count += 1
        row.duration_ns += int(duration * 1e6)
    _fill(row, counters)
    return row


def request_event(**values: Any) -> RequestEvent:
    """A request that failed."""
    defaults: dict[str, Any] = {
        "time": NOON,
        "workload": CURL,
        "pid": 4711,
        "role": "client",
        "transport": "tcp",
        "protocol": "http",
        "local_ip": "192.0.2.10",
        "local_port": 40_000,
        "remote_ip": "93.184.216.34",
        "remote_port": 80,
        "name": "example.org",
        "operation": "GET /users/*",
        "content": "/users/*",
        "request": "GET /users/17",
        "status": "500",
        "error": True,
        "slow": False,
        "send_ns": 1_000_000,
        "wait_ns": 300_000_000,
        "receive_ns": 2_000_000,
        "request_bytes": 80,
        "response_bytes": 900,
    }
    return RequestEvent(**(defaults | values))


def failure_event(**values: Any) -> FailureEvent:
    """A connection that was refused."""
    defaults: dict[str, Any] = {
        "time": NOON,
        "workload": CURL,
        "pid": 4711,
        "role": "client",
        "transport": "tcp",
        "local_ip": "192.0.2.10",
        "local_port": 40_000,
        "remote_ip": "203.0.113.9",
        "remote_port": 81,
        "name": "",
        "reason": "refused",
        "duration_ns": 250_000,
    }
    return FailureEvent(**(defaults | values))


def snapshot(**values: Any) -> Snapshot:
    """Taken at noon, ten minutes after the start."""
    for name in ("requests", "failures", "answers"):
        if name in values:
            values[name] = deque(values[name])
    return Snapshot(**({"time": NOON, "since": NOON - 600} | values))
