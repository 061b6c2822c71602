"""The same question again and again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from factories import flow, snapshot
from fixed_agent import FixedView, serving
from kindling.api import create_app
from kindling.cli.main import run
from terminal import on_terminal

FLOWS = [sys.executable, "-m", "kindling.cli", "flows"]


def test_a_table_in_place() -> None:
    view = FixedView(snapshot(flows=[flow(opened=1)]))
    with serving(create_app(view)) as url, on_terminal([*FLOWS, "--url", url, "--watch", "0.2"]) as terminal:
        terminal.wait_for("example.org:443")
        view.shown.flows.append(flow(name="another.test", opened=1))
        terminal.wait_for("another.test")
        terminal.resize(5, 30)
        terminal.read_for(0.5)
        os.kill(terminal.process, signal.SIGTERM)
        assert terminal.end() == 143
        assert terminal.written.endswith(b"\033[?1049l")


def test_in_a_pipe_one_below_the_other(url: str) -> None:
    command = [*FLOWS, "--url", url, "--watch", "0.2", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        headers = 0
        while headers < 3:
            headers += process.stdout.readline().startswith("WORKLOAD")
        process.stdout.close()
        assert process.wait(10) == 0


def test_an_agent_that_never_answered_is_an_error() -> None:
    with on_terminal([*FLOWS, "--url", "http://127.0.0.1:1", "--watch"]) as terminal:
        assert terminal.end() == 5
        assert b"\033[?1049h" not in terminal.written


@pytest.mark.parametrize("output", ["json", "csv", "markdown"])
def test_documents_have_an_end(output: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", url, "--watch", "1", "-o", output]) == 2
    assert "--watch goes with" in capsys.readouterr().err
