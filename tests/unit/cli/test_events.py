"""Single events, and following them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NOON, failure_event, request_event, snapshot
from fixed_agent import FixedView, serving
from kindling.api import create_app
from kindling.cli.events import Tail, event_line
from kindling.cli.main import run
from kindling.cli.widths import display_width
from kindling.export import records
from terminal import on_terminal

EVENTS = [sys.executable, "-m", "kindling.cli", "events"]


def shown(url: str, *options: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert run(["events", "--url", url, "-o", "ndjson", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_newest_first(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["reason"] for row in shown(url, capsys=capsys)] == ["error", "refused"]


def test_reasons(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["kind"] for row in shown(url, "--reason", "refused", capsys=capsys)] == ["connection"]
    assert len(shown(url, "--reason", "refused", "--reason", "error", capsys=capsys)) == 2
    assert run(["events", "--url", url, "--reason", "boredom"]) == 2


def test_filters(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["remote_port"] for row in shown(url, "--port", "81", capsys=capsys)] == [81]
    assert not shown(url, "--workload", "nginx", capsys=capsys)


def test_the_table(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", "--url", url]) == 0
    out = capsys.readouterr().out
    assert "GET /users/17" in out
    assert "203.0.113.9:81" in out
    assert "refused" in out


def test_following_is_no_document(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", "--url", url, "--follow", "-o", "csv"]) == 2
    assert run(["events", "--url", url, "--follow", "--watch", "1"]) == 2
    assert "--follow goes with" in capsys.readouterr().err


def test_follow() -> None:
    view = FixedView(snapshot(requests=[request_event(time=NOON + n) for n in range(20)]))
    with serving(create_app(view)) as url:
        command = [*EVENTS, "--url", url, "--follow", "-o", "ndjson", "-n", "3"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stderr
            first = [json.loads(process.stdout.readline())["time"] for _ in range(3)]
            assert first == [NOON + 17, NOON + 18, NOON + 19]
            view.shown.failures.append(failure_event(time=NOON + 30))
            assert json.loads(process.stdout.readline())["reason"] == "refused"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert not process.stderr.read().strip()


def test_follow_ends_when_nobody_reads(url: str) -> None:
    with subprocess.Popen([*EVENTS, "--url", url, "--follow"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 0


def test_follow_survives_the_agent() -> None:
    view = FixedView(snapshot())
    with serving(create_app(view)) as url, on_terminal([*EVENTS, "--url", url, "--follow"]) as terminal:
        terminal.read_for(0.5)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(view, "snapshot", lambda: 1 / 0)
            terminal.wait_for("Still trying")
        view.shown.requests.append(request_event())
        terminal.wait_for("GET /users/17")
        terminal.press("\x03")
        assert terminal.end() == 130


ROW = records.event(request_event())


@given(st.text(max_size=80), st.integers(1, 200))
def test_a_line_fits(name: str, width: int) -> None:
    line = event_line(dict(ROW) | {"name": name, "request": name, "workload": name}, width)
    assert display_width(line) <= width
    assert len(line.splitlines()) <= 1


def rows(*times: float) -> list[dict[str, Any]]:
    return [{"time": time} for time in times]


def answer(*times: float, now: float = 1e9) -> dict[str, Any]:
    return {"rows": rows(*times), "coverage": {"time": now}}


def test_tail_shows_each_once() -> None:
    tail = Tail()
    assert tail.news(answer(2, 1)) == rows(1, 2)
    assert tail.news(answer(3, 2, 1)) == rows(3)
    assert tail.news(answer(3, 3, 2)) == rows(3)  # one like the one before
    assert not tail.news(answer(3, 3, 2))
    assert not tail.torn
    assert not tail.news(answer(3))
    assert not tail.news(answer(3, 3, 2, 1))  # known from before


def test_tail_knows_that_it_missed_some() -> None:
    tail = Tail()
    tail.news(answer(2, 1))
    assert tail.news(answer(9, 8)) == rows(8, 9)
    assert tail.torn
    tail.news(answer(9, 8))
    assert not tail.torn


def test_tail_asks_for_the_latest_only() -> None:
    tail = Tail()
    assert tail.latest([("port", 80)]) == [("port", 80), ("since", "0.000")]
    tail.news(answer(NOON, NOON - 500, now=NOON + 900))
    assert tail.latest([("port", 80)]) == [("port", 80), ("since", f"{NOON - 60:.3f}")]
    assert tail.latest([("since", f"{NOON + 5:.3f}")]) == [("since", f"{NOON + 5:.3f}")]
    tail.news(answer(now=NOON - 3_600))  # the agent's clock was set back
    assert tail.latest([]) == [("since", f"{NOON - 3_660:.3f}")]
    assert tail.news(answer(NOON, NOON - 500, NOON - 3_599, now=NOON - 3_599)) == rows(NOON - 3_599)


@given(st.lists(st.integers(1, 4), max_size=30))
def test_tail_shows_all_when_the_agent_keeps_enough(steps: list[int]) -> None:
    tail, happened, seen = Tail(), list[int](), list[int]()
    for step in steps:
        happened += range(len(happened), len(happened) + step)
        since = float(dict(tail.latest([]))["since"])
        kept = [time for time in reversed(happened[-8:]) if time >= since]
        seen += [int(row["time"]) for row in tail.news(answer(*kept))]
        assert not tail.torn
    assert seen == happened


def test_what_is_remembered_is_bounded() -> None:
    tail = Tail()
    for begin in range(0, 20_000, 100):
        assert len(tail.news(answer(*range(begin + 99, begin - 1, -1)))) == 100
    assert len(tail._shown) <= 5_000
