"""Readings and requests as the bodies of export requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kindling.model import RequestEvent, Workload
from kindling.otlp.messages import export_request
from kindling.otlp.metrics import Metric, Point, flow_points, op_points
from kindling.otlp.resources import encoded_resource
from kindling.otlp.spans import encode_span
from kindling.otlp.streams import Reading

_Owner = tuple[Workload, str]
"""With the container's id: workloads are equal without it."""


def encode_metrics(readings: Sequence[Reading], node: str, *, details: bool) -> tuple[bytes, int]:
    """ExportMetricsServiceRequest, and how many data points it has."""
    points = 0
    owners: dict[_Owner, dict[Metric, list[bytes]]] = {}
    for reading in readings:
        stream = reading.stream
        metrics = owners.setdefault(_owner(stream.workload), {})
        point = Point(stream.parts, stream.start, reading.time, stale=reading.stale)
        if stream.shape.flow:
            made = flow_points(point, reading.values)
        else:
            made = op_points(point, stream.shape, reading.values, reading.buckets, details=details)
        for metric, encoded in made:
            metrics.setdefault(metric, []).append(encoded)
            points += 1
    groups = [
        (encoded_resource(workload, node), [metric.encode(each) for metric, each in metrics.items()])
        for (workload, _), metrics in owners.items()
    ]
    return export_request(groups), points


def encode_spans(events: Sequence[RequestEvent], node: str) -> tuple[bytes, int]:
    """ExportTraceServiceRequest, and how many spans it has."""
    owners: dict[_Owner, list[bytes]] = {}
    for event in events:
        owners.setdefault(_owner(event.workload), []).append(encode_span(event, node))
    groups = [(encoded_resource(workload, node), spans) for (workload, _), spans in owners.items()]
    return export_request(groups), len(events)


def _owner(workload: Workload) -> _Owner:
    return workload, workload.container_id


Encoder = Callable[[], tuple[bytes, int]]
