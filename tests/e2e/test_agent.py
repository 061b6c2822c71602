"""The main job: real traffic, exact counts, through every face of the agent."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.conftest import KINDLING, Agent, free_port, start_agent, web_server
from kindling.cli.client import fetch

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]


def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["curl", "--silent", "--noproxy", "*", "--max-time", "20", "--output", "/dev/null", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def kindling(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*KINDLING, *arguments], capture_output=True, text=True, check=False, timeout=60)


def of_port(rows: list[dict[str, Any]], port: int, role: str = "") -> list[dict[str, Any]]:
    return [row for row in rows if row["port"] == port and role in {"", row["role"]}]


def count(rows: list[dict[str, Any]], port: int, role: str) -> int:
    total: int = sum(row["count"] for row in of_port(rows, port, role))
    return total


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("hello\n", encoding="ascii")
    (folder / "large").write_bytes(bytes(3_000_000))
    return folder


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_requests_are_counted_on_both_sides(agent: Agent, site: Path, address: str) -> None:
    with web_server(site, address) as port:
        place = ["--resolve", f"shop.example.test:{port}:{address}"]
        urls = [f"http://shop.example.test:{port}/index.html"] * 30
        assert curl(*place, *urls, *(["--output", "/dev/null"] * 29)).returncode == 0
        assert curl(*place, f"http://shop.example.test:{port}/missing/17").returncode == 0
        rows = agent.wait_for("requests", lambda r: count(r, port, "client") + count(r, port, "server") == 62)
    for role in ("client", "server"):
        by_operation = {(row["operation"], row["status"]): row["count"] for row in of_port(rows, port, role)}
        assert by_operation == {("GET /index.html", "200"): 30, ("GET /missing/*", "404"): 1}, role
    client = of_port(rows, port, "client")[0]
    assert client["comm"] == "curl"
    assert (client["name"], client["evidence"]) == ("shop.example.test", "host")
    assert client["duration_ns"] == client["send_ns"] + client["wait_ns"] + client["receive_ns"] > 0


def test_connections_and_bytes(agent: Agent, site: Path) -> None:
    with web_server(site) as port:
        for _ in range(5):
            assert curl(f"http://127.0.0.1:{port}/large").returncode == 0

        def settled(rows: list[dict[str, Any]]) -> bool:
            return bool(sum(row["closed"] for row in of_port(rows, port)) == 10)

        rows = agent.wait_for("flows", settled)
    for role in ("client", "server"):
        flows = of_port(rows, port, role)
        assert sum(row["opened"] for row in flows) == 5
        assert sum(row["closed"] for row in flows) == 5
        assert sum(row["active"] for row in flows) == 0
        assert sum(row["failures"] for row in flows) == 0
    client, server = of_port(rows, port, "client")[0], of_port(rows, port, "server")[0]
    assert client["bytes_in"] == server["bytes_out"] > 15_000_000
    assert client["bytes_out"] == server["bytes_in"]


def test_a_refused_connection_is_a_failure_and_no_connection(agent: Agent) -> None:
    port = free_port()
    for _ in range(3):
        assert curl(f"http://127.0.0.1:{port}/").returncode == 7
    rows = agent.wait_for("flows", lambda r: sum(row["failures"] for row in of_port(r, port, "client")) == 3)
    flows = of_port(rows, port, "client")
    assert [row["failed"] for row in flows] == [{"refused": 3}]
    assert sum(row["opened"] + row["active"] for row in flows) == 0
    events = [row for row in agent.rows("events") if row["remote_port"] == port]
    assert {row["reason"] for row in events} == {"refused"}


def test_loopback_is_not_external(agent: Agent, site: Path) -> None:
    with web_server(site) as port:
        assert curl(f"http://127.0.0.1:{port}/index.html").returncode == 0
        agent.wait_for("requests", lambda rows: count(rows, port, "client") == 1)
    assert not of_port(agent.rows("external"), port)


def test_what_is_outside_is_external_reached_or_not(agent: Agent) -> None:
    outside = "203.0.113.77"  # RFC 5737: for documentation; some networks answer for it nevertheless
    curl("--connect-timeout", "1", f"http://{outside}:81/")

    def found(rows: list[dict[str, Any]]) -> bool:
        return any(row["destination"] == outside and row["connections"] + row["failures"] for row in rows)

    row = next(row for row in agent.wait_for("external", found) if row["destination"] == outside)
    assert (row["port"], row["connections"] + row["failures"], row["comm"]) == (81, 1, "curl")


def test_metrics_say_the_same(agent: Agent, site: Path) -> None:
    with web_server(site) as port:
        assert curl(*([f"http://127.0.0.1:{port}/index.html"] * 7), *(["--output", "/dev/null"] * 6)).returncode == 0
        agent.wait_for("requests", lambda rows: count(rows, port, "server") == count(rows, port, "client") == 7)
    text = subprocess.run(
        ["curl", "--silent", "--compressed", f"{agent.url}/metrics"], capture_output=True, text=True, check=True
    ).stdout
    families = {family.name: family for family in text_string_to_metric_families(text)}
    served = [s for s in families["kindling_entity_request"].samples if s.labels["port"] == str(port)]
    asked = [s for s in families["kindling_topology_request"].samples if s.labels["dst_port"] == str(port)]
    assert sum(s.value for s in served) == sum(s.value for s in asked) == 7
    assert {s.labels["src_workload_name"] for s in asked}
    durations = [
        s
        for s in families["kindling_request_duration_seconds"].samples
        if s.labels["port"] == str(port) and s.name.endswith("_count")
    ]
    assert {(s.labels["role"], s.value) for s in durations} == {("client", 7), ("server", 7)}
    lost = families["kindling_agent_lost"].samples
    assert len(lost) >= 16


@pytest.mark.parametrize("table", ["flows", "requests", "dns", "external"])
def test_the_commands_answer(agent: Agent, table: str) -> None:
    shown = kindling(table, "--url", agent.url)
    assert shown.returncode == 0, shown.stderr
    assert " lost · watching since " in shown.stdout
    document = json.loads(kindling(table, "--url", agent.url, "--output", "json").stdout)
    assert document["table"] == table


def test_top_and_the_page(agent: Agent) -> None:
    shown = kindling("top", "--once", "--url", agent.url)
    assert shown.returncode == 0
    assert "[1 external]" in shown.stdout
    page = subprocess.run(["curl", "--silent", agent.url], capture_output=True, text=True, check=True).stdout
    assert page.startswith("<!doctype html>")


def test_a_second_agent_says_so(agent: Agent, tmp_path: Path) -> None:
    same_data = kindling("agent", "--listen", "127.0.0.1:0", "--data", str(agent.data), "--quiet")
    assert same_data.returncode == 6
    assert f"process {agent.process.pid}" in same_data.stderr
    same_port = kindling("agent", "--listen", agent.url.removeprefix("http://"), "--data", str(tmp_path), "--quiet")
    assert same_port.returncode == 2
    assert "in use" in same_port.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_agent_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("kindling.capture.live", reason="the probe is not there yet")
    with start_agent(tmp_path) as running:
        assert fetch(running.url, "/api/v1/status")["pid"] == running.process.pid
        running.process.send_signal(number)
        assert running.process.wait(20) == 0
        assert running.process.stderr
        assert "Traceback" not in running.process.stderr.read()
