"""What an agent says of itself."""

from __future__ import annotations

import json
import sys

import pytest

from kindling.cli.client import fetch
from kindling.cli.main import run
from kindling.cli.status import lines
from terminal import on_terminal


def test_status(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--url", url]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Kindling 9.8.7 on node-1, process 17\n")
    assert "52.0 MB" in out
    assert "60 connections, 2 operations" in out
    assert "4 lost" in out


def test_a_table_that_is_nearly_full_is_pointed_out(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["status", "--url", url])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("flow"))
    assert line.split()[:5] == ["flow", "95", "100", "95%", "3"]
    assert "nearly full" in line


def test_counters_of_parts(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["status", "--url", url])
    assert "12 345" in capsys.readouterr().out


KNOWN = {"kubernetes.objects.pods": 10_000.0, "kubernetes.objects.nodes": 12.0}


@pytest.mark.parametrize(
    "synced, failing, said",
    [
        (1.0, 0.0, "10000 pods, 12 nodes: up to date"),
        (0.0, 0.0, "10000 pods, 12 nodes: being read"),
        (1.0, 130.0, "10000 pods, 12 nodes: not reached for 2 min, the agent's log says why"),
    ],
)
def test_the_cluster(url: str, synced: float, failing: float, said: str) -> None:
    answer = fetch(url, "/api/v1/status")
    answer["stats"] |= KNOWN | {"kubernetes.synced": synced, "kubernetes.failing_seconds": failing}
    assert f"cluster    {said}" in list(lines(answer))


def test_no_cluster(url: str) -> None:
    assert not any(line.startswith("cluster") for line in lines(fetch(url, "/api/v1/status")))


def test_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--url", url, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["coverage"]["lost"] == 4


def test_without_an_agent() -> None:
    assert run(["status", "--url", "http://127.0.0.1:1"]) == 5


def test_watching_it(url: str) -> None:
    command = [sys.executable, "-m", "kindling.cli", "status", "--url", url, "--watch", "0.2"]
    with on_terminal(command, columns=40) as terminal:
        terminal.wait_for("memory     52.0 MB")
        assert max(map(len, terminal.lines)) <= 40
        terminal.press("\x03")
        assert terminal.end() == 130
        assert b"\033[?1049l" in terminal.written
