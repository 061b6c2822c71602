"""What the live view shows, without a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NOON, flow, snapshot
from kindling.cli.top.look import Look, ordered
from kindling.cli.top.rates import Rates
from kindling.cli.top.state import CANDIDATES, State, filter_parameters
from kindling.cli.top.tabs import BY_NAME, RATE, TABS
from kindling.cli.top.view import compose
from kindling.cli.widths import display_width
from kindling.export import records
from kindling.export.coverage import coverage


def look(*rows: dict[str, Any], table: str = "flows", total: int | None = None, problem: str = "") -> Look:
    status = {
        "version": "9",
        "node": "n",
        "cpu_user_seconds": 1.0,
        "cpu_system_seconds": 0.5,
        "resident_bytes": 1,
        "coverage": coverage(snapshot(lost={"gap": 4})),
    }
    return Look(table, list(rows), len(rows) if total is None else total, status, problem)


def row(**values: Any) -> dict[str, Any]:
    return {**records.flow(flow(**values)), RATE: 0.0}


# --- state ------------------------------------------------------------------------------------


def test_every_letter_sorts_by_a_key_of_its_table() -> None:
    for tab in TABS:
        for key in tab.letters.values():
            assert key == RATE or key in tab.table.sortable, (tab.name, key)
        assert tab.sort == RATE or tab.sort in tab.table.sortable
        assert not set(tab.letters) & set("qQ?h /rkjg<>12345")


def test_sorted_by_rate_the_agent_is_asked_for_what_moved() -> None:
    path, parameters = State().question(20)
    assert path == "/api/v1/external"
    assert parameters == (("sort", "last_seen"), ("limit", CANDIDATES))


def test_sorted_by_another_key_the_agent_sorts() -> None:
    state = State(tab=BY_NAME["flows"])
    state.press("c")
    assert dict(state.question(20)[1]) == {"sort": "opened", "limit": 100}
    state.press("c")
    assert dict(state.question(20)[1])["sort"] == "-opened"
    for _ in range(20):
        state.press("page_down", 19)
    assert dict(state.question(20)[1])["limit"] == 500


def test_tables_keep_their_order() -> None:
    state = State()
    state.press("c")
    state.press("2")
    assert state.order.sort == RATE
    state.press("1")
    assert state.order.sort == "connections"


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", []),
        ("port=443", [("port", "443")]),
        ("workload=a workload=b", [("workload", "a"), ("workload", "b")]),
        ("example org", [("search", "example org")]),
        ("role=client /users?x=1", [("role", "client"), ("search", "/users?x=1")]),
        ("nothing=here", [("search", "nothing=here")]),
    ],
)
def test_filters(text: str, parameters: list[tuple[str, str]]) -> None:
    assert filter_parameters(text) == parameters


def test_keys_write_the_filter_while_it_is_open() -> None:
    state = State()
    for key in ("/", "q", "1", " ", "x", "backspace", "enter"):
        state.press(key)
    assert state.filter == "q1"
    assert not state.ended
    for key in ("/", "z", "escape"):
        state.press(key)
    assert state.filter == "q1"
    state.press("escape")
    assert not state.filter


# --- rates ------------------------------------------------------------------------------------


def counted(rates: Rates, now: float, **totals: float) -> dict[str, float]:
    rows: list[dict[str, Any]] = [{"name": name, "total": total, "first_seen": NOON} for name, total in totals.items()]
    rates.add_to(rows, now)
    return {each["name"]: each[RATE] for each in rows}


def test_rates_are_those_since_the_look_before() -> None:
    rates = Rates(lambda record: float(record["total"]))
    assert counted(rates, NOON + 10, a=100, b=5) == {"a": 0, "b": 0}
    assert counted(rates, NOON + 12, a=150, b=5) == {"a": 25, "b": 0}
    assert counted(rates, NOON + 12, a=150, b=5) == {"a": 25, "b": 0}, "the agent has not read since"
    assert counted(rates, NOON + 13, a=150, b=5, old=9) == {"a": 0, "b": 0, "old": 0}
    assert counted(rates, NOON + 14, a=0) == {"a": 0}, "an agent that was started anew"


def test_what_is_new_moved_since_the_look_before() -> None:
    rates = Rates(lambda record: float(record["total"]))
    counted(rates, NOON - 2, a=1)
    assert counted(rates, NOON + 2, b=400) == {"b": 100}


def test_the_fastest_come_first() -> None:
    rows: list[dict[str, Any]] = [{RATE: 1.0, "last_seen": 1}, {RATE: 3.0}, {RATE: 1.0, "last_seen": 2}]
    assert ordered(rows, RATE, backwards=False) == [rows[1], rows[2], rows[0]]
    assert ordered(rows, RATE, backwards=True) == [rows[0], rows[2], rows[1]]
    assert ordered(rows, "name", backwards=True) == rows


# --- view -------------------------------------------------------------------------------------


def test_losses_are_always_on_the_screen() -> None:
    lines = compose(State(tab=BY_NAME["flows"]), look(row()), 80, 24)
    assert lines[-2].text.startswith("4 lost")
    assert lines[-2].style == "warning"


def test_a_problem_takes_their_place() -> None:
    assert compose(State(), look(problem="Still trying: x"), 80, 24)[-2].text == "Still trying: x"


def test_rows_with_failures_stand_out() -> None:
    lines = compose(State(tab=BY_NAME["flows"]), look(row(), row(failed={"refused": 1})), 80, 24)
    assert [line.style for line in lines[2:5]] == ["header", "plain", "failed"]


def test_rows_of_another_table_are_not_shown() -> None:
    lines = compose(State(tab=BY_NAME["dns"]), look(row()), 80, 24)
    assert not any("example.org" in line.text for line in lines)


def test_nothing_fits() -> None:
    texts = [line.text for line in compose(State(tab=BY_NAME["flows"], filter="port=1"), look(), 80, 24)]
    assert any("Nothing fits the filter" in text for text in texts)


@given(
    st.text(max_size=60), st.integers(1, 250), st.integers(1, 60), st.booleans(), st.booleans(), st.text(max_size=40)
)
def test_every_screen_fits(name: str, width: int, height: int, helped: bool, paused: bool, filter_: str) -> None:
    state = State(tab=BY_NAME["flows"], help=helped, paused=paused, filter=filter_, editing=filter_ or None)
    lines = compose(state, look(*[row(name=name)] * 80, problem=filter_), width, height)
    assert len(lines) <= height
    assert all(display_width(line.text) <= width for line in lines)
