from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

from kindling.otlp.messages import Partial, Status, nanoseconds, partial_success, rpc_status
from kindling.otlp.wire import data, number, text

RETRY_INFO = text(1, "type.googleapis.com/google.rpc.RetryInfo") + data(
    2, data(1, number(1, 2) + number(2, 500_000_000))
)


def test_a_partial_success() -> None:
    said = ExportMetricsPartialSuccess(rejected_data_points=3, error_message="too old")
    response = ExportMetricsServiceResponse(partial_success=said)
    assert partial_success(response.SerializeToString()) == Partial(3, "too old")
    assert partial_success(b"") == Partial()


def test_when_to_come_again() -> None:
    assert rpc_status(number(1, 8) + text(2, "busy") + data(3, RETRY_INFO)) == Status("busy", 2.5)
    assert rpc_status(number(1, 8) + data(3, text(1, "other"))) == Status()


@given(st.binary(max_size=80))
def test_answers_are_never_trusted(raw: bytes) -> None:
    assert partial_success(raw).rejected >= 0
    after = rpc_status(raw + data(3, text(1, "google.rpc.RetryInfo") + data(2, raw))).retry_after
    assert after is None or after >= 0


def test_times_are_whole_microseconds() -> None:
    assert nanoseconds(1_709_640_000.25) == 1_709_640_000_250_000_000
    assert nanoseconds(-1) == 0
