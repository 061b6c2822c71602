"""The HTTP interface of a real agent: live streams of real traffic, callers, a scraper that hangs."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.conftest import KINDLING, SETTLE_SECONDS, Agent, start_agent, web_server
from kindling.cli import client
from kindling.cli.client import fetch
from kindling.errors import PrivilegeError

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]


def curl(*arguments: str) -> str:
    command = ["curl", "--silent", "--noproxy", "*", "--max-time", "20", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def stream(url: str, path: str) -> Iterator[Iterator[tuple[str, Any]]]:
    """Events (kind and data) of a stream."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=SETTLE_SECONDS)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200

    def events() -> Iterator[tuple[str, Any]]:
        kind = ""
        for line in response:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                yield kind, json.loads(line[6:])

    try:
        yield events()
    finally:
        connection.close()


def test_a_stream_tells_of_connections_as_they_are_made(agent: Agent, tmp_path: Path) -> None:
    with web_server(tmp_path) as port, stream(agent.url, f"/api/v1/stream/flows?port={port}&role=client") as events:
        kind, data = next(events)
        assert (kind, data["rows"]) == ("snapshot", [])
        for number in range(1, 4):
            curl(f"http://127.0.0.1:{port}/")
            kind, data = next(events)
            while data["rows"][0]["opened"] < number:
                kind, data = next(events)
            assert kind == "changes"
            assert [row["opened"] for row in data["rows"]] == [number]


def test_a_failed_connection_is_an_event(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with stream(agent.url, f"/api/v1/stream/events?reason=refused&port={port}") as events:
        next(events)
        with pytest.raises(subprocess.CalledProcessError):
            curl(f"http://127.0.0.1:{port}/")
        _, data = next(events)
        assert [row["reason"] for row in data["rows"]] == ["refused"]


def test_pages_are_parts_of_the_whole(agent: Agent, tmp_path: Path) -> None:
    with web_server(tmp_path) as port:
        for _ in range(3):
            curl(f"http://127.0.0.1:{port}/")
        agent.wait_for("flows", lambda rows: sum(row["port"] == port for row in rows) >= 2)
        rows: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            question: list[tuple[str, str | int]] = [("port", port), ("limit", 1), ("sort", "port"), ("cursor", cursor)]
            page = fetch(agent.url, "/api/v1/flows", question)
            rows += [row["role"] for row in page["rows"]]
            cursor = page["next"]
        assert sorted(rows) == ["client", "server"]


def test_a_scraper_that_hangs_stops_nobody(agent: Agent) -> None:
    parts = urlsplit(agent.url)
    with ExitStack() as stack:
        for _ in range(20):
            hung = stack.enter_context(socket.create_connection((str(parts.hostname), parts.port)))
            hung.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        begun = time.monotonic()
        ticks = fetch(agent.url, "/api/v1/status")["stats"]["ticks"]
        assert "kindling_agent" in curl(f"{agent.url}/metrics")
        agent_ticks = fetch(agent.url, "/api/v1/status")["stats"]["ticks"]
        assert agent_ticks >= ticks
        assert time.monotonic() - begun < 5


def test_other_addresses_need_a_token(tmp_path: Path) -> None:
    refused = subprocess.run(
        [*KINDLING, "agent", "--listen", "0.0.0.0:0", "--data", str(tmp_path / "refused"), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "--token-file" in refused.stderr
    assert "--no-auth" in refused.stderr
    token = tmp_path / "token"
    token.write_text("a-token-of-sixteen-or-more\n")
    with start_agent(tmp_path / "data", "--listen", "0.0.0.0:0", "--token-file", str(token)) as agent:
        url = agent.url.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(PrivilegeError, match="token"):
            fetch(url, "/api/v1/flows")
        assert fetch(client.Agent(url, token_file=token), "/api/v1/status")["pid"] == agent.process.pid
        assert "kindling_agent" in curl(f"{url}/metrics")
        assert json.loads(curl(f"{url}/api/v1/flows"))["status"] == 401


def test_an_agent_with_streams_ends_at_once(tmp_path: Path) -> None:
    with start_agent(tmp_path) as agent, stream(agent.url, "/api/v1/stream/status") as events:
        assert next(events)[0] == "status"
        ended = threading.Thread(target=lambda: list(events))
        ended.start()
        begun = time.monotonic()
        agent.process.terminate()
        assert agent.process.wait(20) == 0
        ended.join(20)
        assert not ended.is_alive()
        assert time.monotonic() - begun < 10
