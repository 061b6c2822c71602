"""Rates of the live view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from factories import flow, op, snapshot
from kindling.cli import top
from kindling.cli.client import Agent
from kindling.export.coverage import coverage
from kindling.export.horizon import Horizon
from kindling.export.tables import TABLES, select
from kindling.model import Snapshot


def answering(shown: Snapshot) -> Callable[..., dict[str, Any]]:
    """What stands in for asking an agent."""

    def fetch(agent: Agent, path: str, parameters: object = ()) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        if name == "status":
            return {
                "version": "9",
                "node": "n",
                "cpu_user_seconds": 1.0,
                "cpu_system_seconds": 0.0,
                "resident_bytes": 1,
                "coverage": coverage(shown),
            }
        rows, total = select(TABLES[name], shown, Horizon())
        return {"rows": rows, "total": total}

    return fetch


def test_rates_are_those_since_the_look_before(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, requests = flow(opened=1), op((1,))
    shown = snapshot(flows=[connection], ops=[requests])
    monkeypatch.setattr(top, "fetch", answering(shown))
    screen = top.Screen(Agent("http://agent"))
    first = [line.split() for line in screen.lines(200, 40)]
    assert [line[-1] for line in first if line[:1] == ["curl"]] == ["-", "-"]
    connection.bytes_in += 4_000
    requests.count += 30
    shown.time += 2
    second = screen.lines(200, 40)
    assert [line.split()[-2:] for line in second if line.startswith("curl")] == [["2.0", "kB"], ["ms", "15"]]
    external = next(line for line in second if line.startswith("example.org"))
    assert external.endswith("2.0 kB")


def test_questions_to_the_agent_itself_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    own = flow(local_ip="127.0.0.1", remote_ip="127.0.0.1", port=9500, name="", opened=1)
    shown = snapshot(flows=[own, flow(opened=1, port=9500)], ops=[op((1,), local_ip="127.0.0.1", port=9500)])
    monkeypatch.setattr(top, "fetch", answering(shown))
    text = "\n".join(top.Screen(Agent("http://127.0.0.1:9500")).lines(200, 40))
    assert "127.0.0.1:9500" not in text.partition("\n")[2]
    assert "example.org:9500" in text
    assert "GET" not in text
