"""The durable list, with a real agent: restarts, kill -9, a full disk, a broken file."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import KINDLING, SETTLE_SECONDS, Agent, start_agent
from kindling.cli.client import fetch

pytestmark = pytest.mark.e2e

#: RFC 5737, TEST-NET-3: nobody answers, and nobody has to for a datagram to be counted.
OUTSIDE = "203.0.113."
QUICK = ("--interval", "0.2")
#: Another one in each run: what the probe counted for an agent before stays with the kernel.
PORT = 20_000 + os.getpid() % 20_000


def send(host: int, times: int, size: int = 10) -> None:
    """Datagrams from a socket of their own each: so many connections, so many bytes."""
    for _ in range(times):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            try:
                out.connect((f"{OUTSIDE}{host}", PORT))
                out.send(b"x" * size)
            except OSError as error:
                pytest.skip(f"there is no way out of this host: {error}")


def entry(rows: list[dict[str, Any]], host: int) -> dict[str, Any]:
    found = [row for row in rows if row["destination"] == f"{OUTSIDE}{host}" and int(row["port"]) == PORT]
    return found[0] if found else {"connections": 0, "bytes_out": 0}


def wait_for(agent: Agent, host: int, connections: int) -> dict[str, Any]:
    rows = agent.wait_for("external", lambda each: entry(each, host)["connections"] >= connections)
    return entry(rows, host)


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + 2 * SETTLE_SECONDS
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def kindling(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*KINDLING, "external", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def stored(data: Path, host: int) -> int:
    """Connections in the file itself."""
    with closing(sqlite3.connect(f"file:{data / 'inventory.db'}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT connections FROM entry JOIN tally ON tally.entry = entry.id WHERE destination = ? AND port = ?",
            (f"{OUTSIDE}{host}", PORT),
        ).fetchone()
    return int(found[0]) if found else 0


def test_the_list_outlives_its_agents(tmp_path: Path) -> None:
    """Stopped, then killed: what was counted is there, and nothing twice."""
    with start_agent(tmp_path, *QUICK) as first:
        send(1, 5)
        assert wait_for(first, 1, 5)["bytes_out"] == 50
    assert stored(tmp_path, 1) == 5
    with start_agent(tmp_path, *QUICK) as second:
        send(1, 4)
        assert wait_for(second, 1, 9)["connections"] == 9
        assert until(lambda: stored(tmp_path, 1) == 9)
        send(1, 3)  # counted, perhaps not written
        wait_for(second, 1, 12)
        second.process.send_signal(signal.SIGKILL)
        second.process.wait()
    with start_agent(tmp_path, *QUICK) as third:
        send(1, 2)
        row = until(lambda: (found := entry(third.rows("external"), 1))["connections"] == 14 and found)
        assert row  # the probe's maps outlive the agent: the three are there
        time.sleep(1)
        assert entry(third.rows("external"), 1)["connections"] == 14
        assert row["comm"]
        assert (row["evidence"], row["scope"], row["port"]) == ("address", row["scope"], PORT)


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as data, start_agent(data, *QUICK) as running:
        send(21, 1)
        wait_for(running, 21, 1)
        assert until(lambda: stored(data, 21) == 1)
        ballast = data / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        for host in range(22, 60):
            send(host, 2)
        assert wait_for(running, 59, 2)["connections"] == 2
        assert until(lambda: fetch(running.url, "/api/v1/external")["coverage"]["trouble"])
        assert "cannot be written" in kindling("--url", running.url).stdout
        assert entry(running.rows("external"), 21)["connections"] == 1
        ballast.unlink()
        assert until(lambda: not fetch(running.url, "/api/v1/external")["coverage"]["trouble"])
        assert until(lambda: stored(data, 59) == 2)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
        assert running.process.stderr
        said = running.process.stderr.read()
        assert said.count("cannot be written: the disk is full") == 1
        assert said.count("is written again") == 1


def test_a_broken_file_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "inventory.db").write_bytes(os.urandom(8192))
    with start_agent(tmp_path, *QUICK) as running:
        send(61, 1)
        wait_for(running, 61, 1)
    assert stored(tmp_path, 61) == 1
    assert len(list(tmp_path.glob("inventory.db.broken-*"))) == 1


# One agent for all that follows: there can be only one at a time.


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with start_agent(tmp_path_factory.mktemp("external"), *QUICK) as running:
        send(7, 6, size=100)
        send(8, 2)
        wait_for(running, 7, 6)
        wait_for(running, 8, 2)
        yield running


def test_every_way_to_show_it(agent: Agent) -> None:
    url = ("--url", agent.url)
    table = kindling(*url)
    assert table.returncode == 0, table.stderr
    assert f"{OUTSIDE}7" in table.stdout
    assert "connections with a name" in table.stdout
    assert " lost · watching since " in table.stdout
    rows = list(csv.DictReader(io.StringIO(kindling(*url, "-o", "csv").stdout)))
    assert entry(rows, 7)["bytes_out"] == "600"
    assert f"| {OUTSIDE}7 |" in kindling(*url, "-o", "markdown").stdout
    document = json.loads(kindling(*url, "-o", "json", "--port", str(PORT), "-d", f"{OUTSIDE}7").stdout)
    assert [row["destination"] for row in document["rows"]] == [f"{OUTSIDE}7"]
    assert document["coverage"]["connections"] == 6
    groups = json.loads(
        kindling(
            *url, "-o", "json", "--group-by", "scope", "-d", f"{OUTSIDE}6/31", "-d", f"{OUTSIDE}8", "-p", str(PORT)
        ).stdout
    )
    assert sum(row["connections"] for row in groups["rows"]) == 8
    (day,) = json.loads(kindling(*url, "-o", "json", "--history", "-p", str(PORT), "-d", f"{OUTSIDE}7").stdout)["rows"]
    assert day["connections"] == 6


def test_what_is_new_is_an_exit_code(agent: Agent) -> None:
    url = ("--url", agent.url)
    assert kindling(*url, "--new-since", "1h", "--port", str(PORT)).returncode == 10
    assert kindling(*url, "--new-since", "1h", "--port", "0").returncode == 0
    assert kindling(*url, "--since", "1h", "--port", str(PORT)).returncode == 0
    assert kindling(*url, "--sort", "colour").returncode == 2


def test_without_an_agent(agent: Agent) -> None:
    until(lambda: stored(agent.data, 7) == 6)
    offline = json.loads(kindling("--data", str(agent.data), "-o", "json").stdout)
    assert entry(offline["rows"], 7)["connections"] == 6
    assert kindling("--url", "http://127.0.0.1:1").returncode == 5
    assert kindling("--data", str(agent.data.parent)).returncode == 2


def test_questions_that_make_no_sense_are_refused(agent: Agent) -> None:
    status = subprocess.run(
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
         f"{agent.url}/api/v1/external?since=yesterday"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert status.stdout == "400"
