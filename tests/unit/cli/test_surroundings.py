"""What of Kindling is on this host already."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kindling.agent.lock import data_directory
from kindling.cli.client import DEFAULT_URL, Agent
from kindling.cli.surroundings import lines, look_around
from kindling.config import DEFAULT_LISTEN, Settings


def found(data: Path, url: str = "http://127.0.0.1:1", listen: str = "127.0.0.1:0") -> dict[str, str]:
    return {each.what: each.detail for each in look_around(Agent(url), Settings(data=data, listen=listen))}


def test_nothing_is_there(tmp_path: Path) -> None:
    around = found(tmp_path / "absent")
    assert around["data directory"].endswith("no agent has run with it")
    assert around["address"].endswith("free")
    assert around["agent"].endswith("none answers")
    assert not (tmp_path / "absent").exists()


def test_an_agent_holds_the_directory(tmp_path: Path) -> None:
    with data_directory(tmp_path):
        assert "an agent runs with it (process " in found(tmp_path)["data directory"]
    assert found(tmp_path)["data directory"].endswith("free")


def test_the_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert found(tmp_path, listen=listen)["address"].endswith("in use")


def test_an_agent_answers(tmp_path: Path, url: str) -> None:
    assert "Kindling 9.8.7 answers, process 17 on node-1" in found(tmp_path, url)["agent"]


@pytest.mark.parametrize("listen", ["192.0.2.1:9500", "[2001:db8::1]:9500"])
def test_an_address_that_is_not_ours(listen: str, tmp_path: Path) -> None:
    assert "cannot be used" in found(tmp_path, listen=listen)["address"]


def test_lines(tmp_path: Path) -> None:
    shown = list(lines(look_around(Agent("http://127.0.0.1:1"), Settings(data=tmp_path))))
    assert [line.split("  ")[0] for line in shown] == ["data directory", "pinned maps", "address", "agent"]


def test_agents_are_asked_where_they_listen() -> None:
    assert f"http://{DEFAULT_LISTEN}" == DEFAULT_URL
