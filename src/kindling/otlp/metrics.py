"""What is measured of a row, and how OTLP writes it (metrics.proto, field numbers beside each)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from kindling.export.buckets import INDEX
from kindling.model import FAILURE_NAMES, FlowLabels, FlowRow, OpLabels, OpRow
from kindling.model.histogram import BOUNDS_NS
from kindling.otlp.attributes import DNS, HTTP
from kindling.otlp.messages import attributes
from kindling.otlp.wire import data, number, text, varint

Form = Literal["sum", "updown", "gauge", "histogram"]

_CUMULATIVE: Final = 2
_STALE: Final = 1
"""DataPointFlags.NO_RECORDED_VALUE_MASK: the series ends."""
_BUCKETS: Final = len(INDEX) + 1
BOUNDS_SECONDS: Final = tuple(BOUNDS_NS[i] / 1e9 for i in INDEX)


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    unit: str
    form: Form
    help: str

    def encode(self, points: list[bytes]) -> bytes:
        """A field `metrics` (2) of ScopeMetrics. `points` are fields 1 of Gauge (5), Sum (7) or Histogram (9)."""
        body = b"".join(points)
        if self.form == "gauge":
            return self._wrap(data(5, body))
        body += number(2, _CUMULATIVE)
        if self.form == "histogram":
            return self._wrap(data(9, body))
        return self._wrap(data(7, body + number(3, 1) if self.form == "sum" else body))

    def _wrap(self, content: bytes) -> bytes:
        return data(2, text(1, self.name) + text(2, self.help) + text(3, self.unit) + content)


_TAKES: Final = "Duration of requests, from their first byte to the last one of the response."
CONNECTIONS: Final = Metric("kindling.connection.count", "{connection}", "sum", "Connections that came to be.")
ACTIVE: Final = Metric("kindling.connection.active", "{connection}", "updown", "Connections that are open.")
FAILURES: Final = Metric("kindling.connection.failures", "{connection}", "sum", "Connections that did not come to be.")
CONNECT: Final = Metric("kindling.connection.setup.duration", "s", "histogram", "Time that connecting took.")
NETWORK_IO: Final = Metric("kindling.network.io", "By", "sum", "Bytes of payload on connections.")
RETRANSMITS: Final = Metric("kindling.tcp.retransmits", "{segment}", "sum", "Segments that were sent again.")
RTT: Final = Metric("kindling.tcp.rtt", "s", "gauge", "Smoothed round-trip time.")
HTTP_SERVER: Final = Metric("http.server.request.duration", "s", "histogram", _TAKES)
HTTP_CLIENT: Final = Metric("http.client.request.duration", "s", "histogram", _TAKES)
DNS_LOOKUP: Final = Metric("dns.lookup.duration", "s", "histogram", "Duration of DNS queries.")
OTHER_SERVER: Final = Metric("kindling.server.request.duration", "s", "histogram", _TAKES)
OTHER_CLIENT: Final = Metric("kindling.client.request.duration", "s", "histogram", _TAKES)
SLOW: Final = Metric("kindling.request.slow", "{request}", "sum", "Requests slower than their protocol's threshold.")
REQUEST_IO: Final = Metric("kindling.request.io", "By", "sum", "Bytes of requests and their responses.")
PHASES: Final = Metric("kindling.request.phase.duration", "s", "sum", "Time that the phases of requests took, summed.")

METRICS: Final = (
    *(CONNECTIONS, ACTIVE, FAILURES, CONNECT, NETWORK_IO, RETRANSMITS, RTT),
    *(HTTP_SERVER, HTTP_CLIENT, DNS_LOOKUP, OTHER_SERVER, OTHER_CLIENT, SLOW, REQUEST_IO, PHASES),
)

#: Series that a row has, failures apart.
FLOW_COST: Final = 7
OP_COST: Final = 1
OP_COST_DETAILS: Final = 7


class Shape(NamedTuple):
    """What a row's numbers mean; one for all rows that can be added up."""

    flow: bool
    duration: Metric = OTHER_CLIENT
    server: bool = False


FLOW: Final = Shape(flow=True)


def shape_of(labels: FlowLabels | OpLabels) -> Shape:
    if isinstance(labels, FlowLabels):
        return FLOW
    server = labels.role == "server"
    if labels.protocol == HTTP:
        return Shape(False, HTTP_SERVER if server else HTTP_CLIENT, server)
    if labels.protocol == DNS and not server:
        return Shape(False, DNS_LOOKUP)
    return Shape(False, OTHER_SERVER if server else OTHER_CLIENT, server)


class FlowValues(NamedTuple):
    opened: int
    active: int
    bytes_out: int
    bytes_in: int
    retransmits: int
    connect_count: int
    connect_ns: int
    srtt_us: int
    refused: int
    reset: int
    timeout: int
    unreachable: int
    local: int
    aborted: int


class OpValues(NamedTuple):
    requests: int
    duration_ns: int
    slow: int
    request_bytes: int
    response_bytes: int
    send_ns: int
    wait_ns: int
    receive_ns: int


Values = tuple[int, ...]
"""FlowValues or OpValues."""


def flow_values(row: FlowRow) -> FlowValues:
    return FlowValues(
        row.opened,
        row.active,
        row.bytes_out,
        row.bytes_in,
        row.retransmits,
        row.connect_count,
        row.connect_ns,
        row.srtt_us,
        *(row.failed[reason] for reason in FAILURE_NAMES),
    )


def op_values(row: OpRow) -> OpValues:
    return OpValues(
        row.count,
        row.duration_ns,
        row.slow,
        row.request_bytes,
        row.response_bytes,
        row.send_ns,
        row.wait_ns,
        row.receive_ns,
    )


# --- points ---------------------------------------------------------------------------------------

_NUMBER_ATTRIBUTES: Final = b"\x3a"
"""Tag of NumberDataPoint.attributes (7)."""
_HISTOGRAM_ATTRIBUTES: Final = b"\x4a"
"""Tag of HistogramDataPoint.attributes (9)."""
_TIMES = struct.Struct("<BQBQ").pack
"""start_time_unix_nano = 2, time_unix_nano = 3; both fixed64."""
_INT = struct.Struct("<Bq").pack
_DOUBLE = struct.Struct("<Bd").pack
_COUNT_SUM = struct.Struct("<BQBd").pack
_AS_INT, _AS_DOUBLE, _COUNT, _SUM = 0x31, 0x21, 0x21, 0x29
_START, _TIME = 0x11, 0x19
_BOUNDS: Final = data(7, struct.pack(f"<{len(BOUNDS_SECONDS)}d", *BOUNDS_SECONDS))
_NUMBER_STALE: Final = number(8, _STALE)
_HISTOGRAM_STALE: Final = number(10, _STALE)

Parts = tuple[bytes, ...]
"""Attributes, each a KeyValue with its length before it."""


def extra(name: str, value: str) -> bytes:
    """A NumberDataPoint's attribute beyond those of its row."""
    return attributes(7, {name: value})


_SENT: Final = extra("network.io.direction", "transmit")
_RECEIVED: Final = extra("network.io.direction", "receive")
_REASONS: Final = tuple(extra("error.type", reason) for reason in FAILURE_NAMES)
_PHASES: Final = tuple(extra("kindling.phase", phase) for phase in ("send", "wait", "receive"))


class Point:
    """Writes the points of one reading of a row."""

    __slots__ = ("_histogram_head", "_number_head", "_stale")

    def __init__(self, parts: Parts, start: int, time: int, *, stale: bool) -> None:
        times = _TIMES(_START, start, _TIME, time)
        self._number_head = _joined(_NUMBER_ATTRIBUTES, parts) + times
        self._histogram_head = _joined(_HISTOGRAM_ATTRIBUTES, parts) + times
        self._stale = stale

    def integer(self, value: int, more: bytes = b"") -> bytes:
        end = _NUMBER_STALE if self._stale else _INT(_AS_INT, value)
        return _field(more + self._number_head + end)

    def real(self, value: float, more: bytes = b"") -> bytes:
        end = _NUMBER_STALE if self._stale else _DOUBLE(_AS_DOUBLE, value)
        return _field(more + self._number_head + end)

    def histogram(self, count: int, seconds: float, buckets: bytes) -> bytes:
        """`buckets`: counts as little-endian 64-bit numbers, or b"" of a histogram without bounds."""
        if self._stale:
            return _field(self._histogram_head + _HISTOGRAM_STALE)
        body = self._histogram_head + _COUNT_SUM(_COUNT, count, _SUM, seconds)
        if buckets:
            body += data(6, buckets) + _BOUNDS
        return _field(body)


def flow_points(point: Point, values: Values) -> Iterator[tuple[Metric, bytes]]:
    """What never happened is left out: failures, retransmissions, time to connect."""
    flow = FlowValues(*values)
    yield CONNECTIONS, point.integer(flow.opened)
    yield ACTIVE, point.integer(flow.active)
    yield NETWORK_IO, point.integer(flow.bytes_out, _SENT)
    yield NETWORK_IO, point.integer(flow.bytes_in, _RECEIVED)
    if flow.retransmits:
        yield RETRANSMITS, point.integer(flow.retransmits)
    if flow.connect_count:
        yield CONNECT, point.histogram(flow.connect_count, flow.connect_ns / 1e9, b"")
    if flow.srtt_us:
        yield RTT, point.real(flow.srtt_us / 1e6)
    for reason, count in zip(_REASONS, flow[-len(FAILURE_NAMES) :], strict=True):
        if count:
            yield FAILURES, point.integer(count, reason)


def op_points(
    point: Point, shape: Shape, values: Values, buckets: bytes, *, details: bool
) -> Iterator[tuple[Metric, bytes]]:
    """Durations, and with `details` all else."""
    op = OpValues(*values)
    yield shape.duration, point.histogram(op.requests, op.duration_ns / 1e9, buckets)
    if not details:
        return
    yield SLOW, point.integer(op.slow)
    sent, received = (op.response_bytes, op.request_bytes) if shape.server else (op.request_bytes, op.response_bytes)
    yield REQUEST_IO, point.integer(sent, _SENT)
    yield REQUEST_IO, point.integer(received, _RECEIVED)
    for phase, spent in zip(_PHASES, (op.send_ns, op.wait_ns, op.receive_ns), strict=True):
        yield PHASES, point.real(spent / 1e9, phase)


def _joined(key: bytes, parts: Parts) -> bytes:
    return key + key.join(parts) if parts else b""


def _field(body: bytes) -> bytes:
    return b"\x0a" + varint(len(body)) + body
