"""What answers of HTTP and gRPC mean."""

from __future__ import annotations

import base64

import pytest

from kindling.otlp import grpc, http
from kindling.otlp.messages import Partial
from kindling.otlp.outcome import Delivered, Refused, Retry
from kindling.otlp.wire import data, number, text

NOON = 1_709_640_000.0
RETRY_INFO = data(3, text(1, "t/google.rpc.RetryInfo") + data(2, data(1, number(1, 4))))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_http_that_is_worth_another_attempt(status: int) -> None:
    answer = http.Answer(status, {"retry-after": "7"})
    assert http.outcome(answer, NOON) == Retry(f"HTTP {status}", 7.0)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500, 501])
def test_http_that_is_not(status: int) -> None:
    assert http.outcome(http.Answer(status), NOON) == Refused(f"HTTP {status}")


def test_http_tells_why() -> None:
    kind = {"content-type": "application/x-protobuf"}
    answer = http.Answer(503, kind, bytearray(text(2, "full") + RETRY_INFO))
    assert http.outcome(answer, NOON) == Retry("HTTP 503: full", 4.0)
    taken = http.Answer(200, kind, bytearray(data(1, number(1, 2) + text(2, "old"))))
    assert http.outcome(taken, NOON) == Delivered(Partial(2, "old"))


def call(status: int, **headers: str) -> grpc.Call:
    return grpc.Call({"grpc-status": str(status)} | {k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("status", [1, 4, 10, 11, 14, 15])
def test_grpc_that_is_worth_another_attempt(status: int) -> None:
    assert isinstance(grpc.outcome(call(status)), Retry)


@pytest.mark.parametrize("status", [2, 3, 5, 6, 7, 8, 9, 12, 13, 16])
def test_grpc_that_is_not(status: int) -> None:
    said = grpc.outcome(call(status, grpc_message="no%20way"))
    assert said == Refused(f"gRPC status {status}: no way")


@pytest.mark.parametrize("padding", ["", "="])
def test_exhausted_with_a_time(padding: str) -> None:
    details = base64.b64encode(number(1, 8) + RETRY_INFO).decode().rstrip("=") + padding
    assert grpc.outcome(call(8, grpc_status_details_bin=details)) == Retry("gRPC status 8", 4.0)


@pytest.mark.parametrize(("status", "kind"), [("503", Retry), ("200", Retry), ("404", Refused), ("", Retry)])
def test_a_proxy_that_speaks_no_grpc(status: str, kind: type) -> None:
    assert isinstance(grpc.outcome(grpc.Call({":status": status})), kind)
