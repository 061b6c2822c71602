"""Filters, pages and refusals of the live tables."""

from __future__ import annotations

import pytest
from starlette.types import ASGIApp

from asgi import get
from factories import CURL, NGINX, NOON, flow, request_event, snapshot
from fixed_agent import FixedView
from kindling.api import create_app
from kindling.model import Workload


def app() -> ASGIApp:
    flows = [flow(opened=n % 3, port=1_000 + n, workload=NGINX if n % 2 else CURL) for n in range(10)]
    return create_app(FixedView(snapshot(flows=flows, requests=[request_event(time=NOON + n) for n in range(5)])))


@pytest.mark.parametrize("sort", ["opened", "-opened", "workload", "port"])
@pytest.mark.parametrize("limit", [1, 3, 10])
def test_pages(sort: str, limit: int) -> None:
    shown = app()
    whole = get(shown, f"/api/v1/flows?sort={sort}").json()
    assert whole["next"] is None
    cursor: str | None = ""
    rows: list[dict[str, object]] = []
    while cursor is not None:
        page = get(shown, f"/api/v1/flows?sort={sort}&limit={limit}&cursor={cursor}").json()
        assert page["total"] == 10
        rows += page["rows"]
        cursor = page["next"]
    assert rows == whole["rows"]
    assert len({row["id"] for row in rows}) == 10


def test_pages_of_events() -> None:
    shown = app()
    first = get(shown, "/api/v1/events?limit=2").json()
    second = get(shown, f"/api/v1/events?limit=2&cursor={first['next']}").json()
    assert [row["time"] - NOON for row in first["rows"] + second["rows"]] == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("workload=curl", 5),
        ("workload=CURL&workload=nginx*", 10),
        ("workload=", 10),
        ("port=1003&port=1004", 2),
        ("port=1003&workload=curl", 0),
        ("search=nginx", 5),
        (f"since={NOON + 1}", 0),
        (f"until={NOON}", 10),
        ("destination=93.184.0.0/16", 10),
        ("scope=public&role=client&evidence=sni&transport=tcp", 10),
    ],
)
def test_filters(query: str, count: int) -> None:
    assert get(app(), f"/api/v1/flows?{query}").json()["total"] == count


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=1&limit=2", "more than once"),
        ("sort=colour", "cannot be sorted"),
        ("workloads=x", "Did you mean workload?"),
        ("status=200", "There is no parameter"),
        ("zzz", "Known here"),
        ("port=0x50", "whole number"),
        ("port=70000", "65535"),
        ("since=yesterday", "unix seconds"),
        ("since=nan", "unix seconds"),
        ("since=1_0", "unix seconds"),
        ("since=2&until=1", "later than until"),
        ("role=boss", "one of client"),
        ("destination=10.0.0.0/40", "network"),
        ("cursor=x", "cursor"),
        ("cursor=WyJvcGVuZWQiLDEsMl0", "another order"),
        ("search=%ff", "Escape"),
        ("&".join(f"port={n}" for n in range(65)), "64 times"),
        ("&".join(f"a{n}=" for n in range(300)), "cannot be read"),
    ],
)
def test_questions_that_are_refused(query: str, said: str) -> None:
    answer = get(app(), f"/api/v1/flows?{query}")
    assert answer.status == 400
    problem = answer.json()
    assert problem["instance"] == "/api/v1/flows"
    assert said in f"{problem['detail']} {problem.get('hint', '')}"


def test_names_that_are_no_unicode_do_not_break_an_answer() -> None:
    odd = Workload(kind="process", name="\udcff", exe="/tmp/\udc80")
    shown = create_app(FixedView(snapshot(flows=[flow(workload=odd, opened=1), flow(opened=1)])))
    page = get(shown, "/api/v1/flows?sort=workload&limit=1").json()
    assert get(shown, f"/api/v1/flows?sort=workload&cursor={page['next']}").json()["rows"][0]["workload"] == "?"


def test_large_answers_are_compressed_when_asked() -> None:
    flows = [flow(opened=1, port=n) for n in range(500)]
    shown = create_app(FixedView(snapshot(flows=flows)))
    plain = get(shown, "/api/v1/flows")
    answer = get(shown, "/api/v1/flows", {"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < len(plain.body) / 10
    assert len(plain.json()["rows"]) == 500
    assert "content-encoding" not in get(shown, "/api/v1/flows?limit=1", {"accept-encoding": "gzip"}).headers
