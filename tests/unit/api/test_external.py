"""/api/v1/external over a list that is really kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from asgi import get
from factories import NOON, flow, snapshot
from fixed_agent import FixedView
from kindling.api import create_app
from kindling.config import Inventory
from kindling.inventory import Recorder

ROWS = (
    flow(opened=3, active=1, bytes_in=100),
    flow(name="db.internal", scope="private", port=5432, opened=1, evidence="dns"),
    flow(name="self", scope="own", opened=9),
)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    kept = Recorder(tmp_path, Inventory(), lambda line: None)
    kept.start()
    yield kept
    kept.close()


@pytest.fixture(params=["kept", "not kept"])
def app(request: pytest.FixtureRequest, recorder: Recorder) -> ASGIApp:
    """With a list, and with the live rows alone."""
    shown = snapshot(flows=list(ROWS), lost={"gap": 2})
    view = FixedView(shown)
    if request.param == "kept":
        recorder.observe(shown)
        view.inventory = recorder
    return create_app(view)


def ask(app: ASGIApp, question: str = "", path: str = "") -> dict[str, Any]:
    answer = get(app, f"/api/v1/external{path}?{question}")
    assert answer.status == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_entries(app: ASGIApp) -> None:
    document = ask(app)
    assert {row["destination"]: row["connections"] for row in document["rows"]} == {"example.org": 3, "db.internal": 1}
    assert document["rows"][0]["active"] == 1
    coverage = document["coverage"]
    assert (coverage["connections"], coverage["named"], coverage["lost"]) == (4, 4, 2)
    assert (coverage["time"], coverage["since"]) == (NOON, NOON - 600)
    assert coverage["notes"] == ["100 % of 4 connections with a name: 75 % sni, 25 % an own DNS answer"]


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("scope=private", ["db.internal"]),
        ("port=443&port=5432&sort=port", ["db.internal", "example.org"]),
        ("limit=1", ["example.org"]),
        (f"new_since={NOON + 1}", []),
        (f"until={NOON - 1}", []),
    ],
)
def test_questions(app: ASGIApp, question: str, wanted: list[str]) -> None:
    assert [row["destination"] for row in ask(app, question)["rows"]] == wanted


def test_groups_and_days(app: ASGIApp) -> None:
    assert [row["scope"] for row in ask(app, "group_by=scope")["rows"]] == ["public", "private"]
    (day,) = ask(app, "scope=public", path="/history")["rows"]
    assert (day["day"], day["connections"], day["bytes_in"]) == ("2024-03-05", 3, 100)


@pytest.mark.parametrize("question", ["sort=colour", "group_by=colour", "since=now", "port=x", "limit=-1"])
def test_questions_that_make_no_sense(app: ASGIApp, question: str) -> None:
    assert get(app, f"/api/v1/external?{question}").status == 400
