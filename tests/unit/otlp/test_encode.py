"""What is written, read by the protobuf library with OpenTelemetry's own definitions."""

from __future__ import annotations

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK,
    Metric,
)

import factories as make
from kindling.model import FlowRow, OpRow
from kindling.otlp.encode import encode_metrics, encode_spans
from kindling.otlp.metrics import BOUNDS_SECONDS, METRICS
from kindling.otlp.streams import Reading, Streams


def read(flows: list[FlowRow], ops: list[OpRow]) -> list[Reading]:
    streams = Streams(1_000, 1.0, details=True)
    streams.begin(make.snapshot(flows=flows, ops=ops), full=False)
    return streams.step(1e9)


def decoded(readings: list[Reading], *, details: bool = True) -> dict[str, Metric]:
    body, points = encode_metrics(readings, "node-1", details=details)
    request = ExportMetricsServiceRequest.FromString(body)
    assert not unknown(request)
    metrics = [m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics]
    assert points == sum(len(getattr(m, m.WhichOneof("data") or "").data_points) for m in metrics)
    return {metric.name: metric for metric in metrics}


def unknown(message: Message) -> bool:
    """Whether anything was written that the definitions do not have."""
    whole = message.ByteSize()
    message.DiscardUnknownFields()
    return whole != message.ByteSize()


EVERYTHING = [
    make.flow(opened=2, retransmits=1, connect_count=2, connect_ns=1, srtt_us=90, failed={"timeout": 1}),
]
REQUESTS = [
    make.op((1,)),
    make.op((1,), role="server"),
    make.op((1,), protocol="dns", content="example.org", operation="A example.org", status="0"),
    make.op((1,), protocol="dns", role="server", content="example.org", operation="A example.org", status="0"),
    make.op((1,), protocol="ntp", content="", operation="", status=""),
]


def test_every_metric_is_what_the_table_says() -> None:
    found = decoded(read(EVERYTHING, REQUESTS))
    assert set(found) == {metric.name for metric in METRICS}
    for metric in METRICS:
        got = found[metric.name]
        assert (got.unit, got.description) == (metric.unit, metric.help)
        kind = got.WhichOneof("data")
        assert kind == {"updown": "sum"}.get(metric.form, metric.form)
        if kind == "sum":
            assert got.sum.is_monotonic == (metric.form == "sum")
            assert got.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        if kind == "histogram":
            assert got.histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE


def test_a_histogram_has_its_bounds() -> None:
    (point,) = decoded(read([], [make.op((1, 70))]))["http.client.request.duration"].histogram.data_points
    assert tuple(point.explicit_bounds) == BOUNDS_SECONDS
    for seconds, wanted in ((0.001, 1), (0.07, 1), (9.0, 0)):
        index = sum(bound <= seconds for bound in BOUNDS_SECONDS)
        assert point.bucket_counts[index] == wanted


def test_without_details_only_durations_are_sent() -> None:
    assert set(decoded(read([], REQUESTS[:1]), details=False)) == {"http.client.request.duration"}


def test_the_end_of_a_series_has_a_flag_and_no_value() -> None:
    stale = [reading._replace(stale=True) for reading in read(EVERYTHING, REQUESTS[:1])]
    for metric in decoded(stale).values():
        for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
            assert point.flags == DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
            assert not getattr(point, "count", 0)
            assert metric.HasField("histogram") or point.WhichOneof("value") is None


def test_one_resource_for_a_workload() -> None:
    body, _ = encode_metrics(
        read([make.flow(), make.flow(port=80), make.flow(workload=make.SHOP)], []), "n", details=True
    )
    request = ExportMetricsServiceRequest.FromString(body)
    assert len(request.resource_metrics) == 2


def test_spans_are_read_back() -> None:
    events = [make.request_event(), make.request_event(role="server", status="", workload=make.NGINX)]
    body, count = encode_spans(events, "node-1")
    request = ExportTraceServiceRequest.FromString(body)
    spans = [span for r in request.resource_spans for s in r.scope_spans for span in s.spans]
    assert count == len(spans) == 2
    assert [len(span.events) for span in spans] == [2, 1]  # nothing came back of the second
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for span in spans)


def test_text_of_the_network_is_valid_utf8() -> None:
    body, _ = encode_spans([make.request_event(request="GET /\udcff", content="/\udcff")], "node-1")
    assert len(ExportTraceServiceRequest.FromString(body).resource_spans) == 1
