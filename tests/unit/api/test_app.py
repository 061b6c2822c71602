"""The HTTP face over a fixed snapshot."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from starlette.types import ASGIApp

from asgi import get
from factories import NOON, failure_event, flow, op, request_event, snapshot
from fixed_agent import FixedView
from kindling.api import create_app
from kindling.api.compress import accepts_gzip
from kindling.export.prometheus import CONTENT_TYPE
from kindling.model import Workload


class _Stale(FixedView):
    def healthy(self) -> bool:
        return False


def app(**values: Any) -> ASGIApp:
    return create_app(FixedView(snapshot(**values)))


def test_metrics() -> None:
    answer = get(app(flows=[flow(opened=3)]), "/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert "content-encoding" not in answer.headers
    assert "kindling_external_connections_total{" in answer.text


def test_metrics_are_compressed_when_asked() -> None:
    many = app(flows=[flow(opened=n) for n in range(2_000)])
    answer = get(many, "/metrics", {"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert b"kindling_agent_lost_total" in gzip.decompress(answer.body)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("gzip; q=0", False), ("gzip;q=0.000", False), ("", False)],
)
def test_accepts_gzip(header: str, wanted: bool) -> None:
    assert accepts_gzip(header) is wanted


def test_health() -> None:
    assert get(app(), "/healthz").status == 200
    assert get(create_app(_Stale(snapshot())), "/healthz").status == 503


@pytest.mark.parametrize("table", ["flows", "requests", "dns", "external"])
def test_tables(table: str) -> None:
    dns = op((2,), protocol="dns", operation="A example.org", content="example.org", status="0")
    shown = app(flows=[flow(opened=1)], ops=[op((1,)), dns], lost={"gap": 2})
    answer = get(shown, f"/api/v1/{table}").json()
    assert answer["table"] == table
    assert answer["total"] == len(answer["rows"])
    assert answer["rows"][0]["workload"] == "curl"
    assert answer["coverage"]["causes"]["gap"]["count"] == 2
    assert answer["coverage"]["since"] == NOON - 600


def test_sort_and_limit() -> None:
    shown = app(flows=[flow(opened=n) for n in (1, 3, 2)])
    answer = get(shown, "/api/v1/flows?sort=opened&limit=2").json()
    assert [row["opened"] for row in answer["rows"]] == [3, 2]
    assert answer["total"] == 3


def test_events_newest_first() -> None:
    requests = [request_event(time=NOON), request_event(time=NOON + 2)]
    rows = get(app(requests=requests, failures=[failure_event(time=NOON + 1)]), "/api/v1/events").json()["rows"]
    assert [row["kind"] for row in rows] == ["request", "connection", "request"]
    assert [row["reason"] for row in rows] == ["error", "refused", "error"]


def test_status_carries_the_coverage() -> None:
    status = get(app(lost={"gap": 1}), "/api/v1/status").json()
    assert status["node"] == "node-1"
    assert status["coverage"]["lost"] == 1


def test_the_page_escapes_what_comes_from_outside() -> None:
    evil = "<script>alert(1)</script>"
    shown = app(flows=[flow(name=evil, workload=Workload(kind="process", name=evil), opened=1)])
    for table in ("external", "flows"):
        page = get(shown, f"/?table={table}")
        assert evil not in page.text
        assert "&lt;script&gt;" in page.text


def test_the_page_says_when_there_is_nothing() -> None:
    page = get(app(), "/?table=requests").text
    assert "No request of a known protocol was seen yet." in page
    assert "0 lost" in page


def test_unknown_paths() -> None:
    assert get(app(), "/api/v1/secrets").status == 404
