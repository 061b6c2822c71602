"""The live view on a real terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from factories import NOON, flow, op, snapshot
from fixed_agent import FixedView, serving
from kindling.api import create_app
from kindling.cli.widths import display_width
from terminal import Terminal, on_terminal

TOP = [sys.executable, "-m", "kindling.cli", "top", "--interval", "0.2"]
RESTORED = b"\033[?1049l"
LEFT, RIGHT, DOWN, PAGE_DOWN, ESCAPE = "\033OD", "\033[C", "\033OB", "\033[6~", "\033"


@pytest.fixture
def view() -> FixedView:
    flows = [flow(name=f"host{n}.test", port=n, opened=n, last_seen=NOON + n) for n in range(1, 61)]
    return FixedView(snapshot(flows=flows, ops=[op((1,))]))


@contextmanager
def top(view: FixedView, *options: str, rows: int = 24, columns: int = 80, **environment: str) -> Iterator[Terminal]:
    with (
        serving(create_app(view)) as url,
        on_terminal([*TOP, "--url", url, *options], rows=rows, columns=columns, **environment) as terminal,
    ):
        yield terminal


def first_row(terminal: Terminal) -> str:
    return terminal.lines[3].split()[0]


def test_tables_by_number_and_tab(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("host60.test")
        assert "[1 external]" in terminal.lines[1]
        for key, shown in (("2", "[2 flows]"), ("3", "GET /users/*"), ("\t", "[4 dns]"), ("5", "[5 events]")):
            terminal.press(key)
            terminal.wait_for(shown)
        terminal.press("\033[Z")
        terminal.wait_for("[4 dns]")
        terminal.press("q")
        assert terminal.end() == 0
        assert RESTORED in terminal.written


def test_sorting_by_arrows_and_letters(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("BYTES/S↓")
        terminal.press("c")
        terminal.wait_for("CONNS↓")
        terminal.wait_for(lambda _: first_row(terminal) == "host60.test")
        terminal.press("r")
        terminal.wait_for(lambda _: first_row(terminal) == "host1.test")
        terminal.press(RIGHT)
        terminal.wait_for("OPEN↓")
        terminal.press(LEFT, LEFT)
        terminal.wait_for("WORKLOAD↓")


def test_filter(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("host60.test")
        terminal.press("/", "port=77", "\x7f", "\x7f", "12")
        terminal.wait_for("filter: port=12_")
        terminal.press("\r")
        terminal.wait_for(lambda text: "host12.test" in text and "host60.test" not in text)
        terminal.press("/", "\x15", "host3")
        terminal.press("\r")
        terminal.wait_for(lambda text: "host3.test" in text and "host39.test" in text and "host12.test" not in text)
        terminal.press(ESCAPE)
        terminal.wait_for("host60.test")


def test_pause_stops_the_numbers_and_space_goes_on(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("host60.test")
        terminal.press(" ")
        terminal.wait_for("PAUSED")
        terminal.read_for(0.5)
        view.shown.flows[0].bytes_in = 7_000_000
        view.shown.time += 2
        terminal.read_for(0.5)
        assert "7.0 MB" not in terminal.text
        terminal.press("o", " ")
        terminal.wait_for("7.0 MB")


def test_rates_are_of_now(view: FixedView) -> None:
    with top(view, columns=120) as terminal:
        terminal.wait_for("host60.test")
        view.shown.flows[4].bytes_out += 5_000
        view.shown.flows[4].last_seen = NOON + 100
        view.shown.time += 1
        terminal.wait_for(lambda _: first_row(terminal) == "host5.test" and terminal.lines[3].endswith("5.0 kB"))


def test_scrolling(view: FixedView) -> None:
    with top(view, "--table", "flows") as terminal:
        terminal.press("c")
        terminal.wait_for("host60.test")
        terminal.press(DOWN, DOWN)
        terminal.wait_for(lambda text: "host60.test" not in text and "host58.test" in text)
        terminal.press(*[PAGE_DOWN] * 9)
        terminal.wait_for("host1.test:1")
        terminal.press("g")
        terminal.wait_for("host60.test")


def test_help_and_back(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.press("?")
        terminal.wait_for("any key: back")
        assert "sort by the column beside" in terminal.text
        terminal.press("q")  # closes the help, not the view
        terminal.wait_for("q quit")


def test_resizing(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("host60.test")
        terminal.resize(30, 140)
        terminal.wait_for(lambda text: "ADDRESS" in text and terminal.lines[29].startswith(" q quit"))
        terminal.resize(10, 40)
        terminal.wait_for(lambda _: terminal.lines[9].startswith(" q quit"))
        terminal.resize(2, 5)
        terminal.read_for(0.5)
        terminal.resize(24, 80)
        terminal.wait_for("host60.test")


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (8, 20), (3, 10), (1, 1), (60, 250)])
def test_every_size(rows: int, columns: int, view: FixedView) -> None:
    with top(view, rows=rows, columns=columns) as terminal:
        terminal.wait_for(lambda text: bool(text.strip()))
        terminal.read_for(0.5)
        assert max(display_width(line) for line in terminal.lines) <= columns
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)], ids=str
)
def test_the_terminal_is_given_back(number: signal.Signals, code: int, view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("host60.test")
        os.kill(terminal.process, number)
        assert terminal.end() == code
        assert RESTORED in terminal.written
        assert b"\033[?25h" in terminal.written or b"\033[?12l\033[?25h" in terminal.written
        assert "Traceback" not in terminal.text


def test_ctrl_c(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("host60.test")
        terminal.press("\x03")
        assert terminal.end() == 130
        assert RESTORED in terminal.written


def test_an_agent_that_goes_and_comes_back(view: FixedView) -> None:
    with serving(create_app(view)) as url, on_terminal([*TOP, "--url", url]) as terminal:
        terminal.wait_for("host60.test")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(view, "status", lambda: 1 / 0)
            terminal.wait_for("Still trying")
            assert "host60.test" in terminal.text
        terminal.wait_for(lambda text: "Still trying" not in text)


def test_without_an_agent_there_is_no_screen() -> None:
    with on_terminal([*TOP, "--url", "http://127.0.0.1:1"]) as terminal:
        assert terminal.end() == 5
        assert b"\033[?1049h" not in terminal.written
        assert "No agent answers" in terminal.text


def test_names_do_nothing_to_the_terminal() -> None:
    hostile = flow(name="a\033]0;owned\007b\033[2J\u202e", opened=1)
    wide = flow(name="日本語.例え.テスト", port=1, opened=1)
    with top(FixedView(snapshot(flows=[hostile, wide]))) as terminal:
        terminal.wait_for("日")
        assert "\N{REPLACEMENT CHARACTER}]0;owned" in terminal.text
        assert b"owned\007" not in terminal.written


def test_a_terminal_nobody_knows(view: FixedView) -> None:
    with top(view, TERM="teletype-of-2049") as terminal:
        terminal.wait_for("host60.test")


def test_dumb_terminals_get_one_screen(view: FixedView) -> None:
    with top(view, TERM="dumb") as terminal:
        assert terminal.end() == 0
        assert b"\033" not in terminal.written
        assert "host60.test" in terminal.text


def test_no_colour(view: FixedView) -> None:
    view.shown.flows[0].failed["refused"] = 3
    for no_color, red in (("", True), ("1", False)):
        with top(view, "--table", "flows", NO_COLOR=no_color) as terminal:
            terminal.press("f")
            terminal.wait_for("FAILED↓")
            terminal.read_for(0.3)
            assert (b"\033[31m" in terminal.written) is red


def test_a_screen_that_stands_still_costs_nothing(view: FixedView) -> None:
    with top(view) as terminal:
        terminal.wait_for("host60.test")
        terminal.read_for(0.5)
        assert terminal.read_for(1.0) < 400  # five looks at 0.2 s: at most the line with the CPU changes
