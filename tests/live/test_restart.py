"""kill -9, and again and again: the kernel counts on, and whoever comes next goes on where the last one stood."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kindling.capture.bpf.pins import Pins
from kindling.capture.live import LiveSource
from live import servers
from live.lasting import LastingAgent, lasting_agent
from live.netns import Link, Process
from live.probe import attach

pytestmark = [pytest.mark.root, pytest.mark.live]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LastingAgent]:
    with lasting_agent(tmp_path) as made:
        yield made


def settled(agent: LastingAgent, wanted: int, *ips: str, seconds: float = 10) -> None:
    """Wait until both ends show that many requests."""
    end = time.monotonic() + seconds
    while any(agent.reading.requests(ip) != wanted for ip in ips) and time.monotonic() < end:
        agent.read(0.2)
    agent.watch(0.2)
    assert [agent.reading.requests(ip) for ip in ips] == [wanted] * len(ips), agent.reading.lost


def hunt(agent: LastingAgent, load: Process, chance: random.Random) -> int:
    """Kill it at any time while a load runs. Returns how often."""
    kills = 0
    while load.poll() is None:
        agent.watch(chance.uniform(0, 0.4))
        agent.kill()
        kills += 1
        time.sleep(chance.uniform(0, 0.3))  # the gap, in which only the kernel counts
        agent.start()
    return kills


@pytest.mark.slow
def test_killed_again_and_again_under_load(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    servers.nginx(net, tmp_path)
    agent.start()
    count = 250_000
    load = net.client.start("ab", "-q", "-k", "-n", str(count), "-c", "16", f"http://{net.server4}/")
    kills = hunt(agent, load, random.Random(1))
    assert load.returncode == 0
    assert kills >= 3
    settled(agent, count, net.client4, net.server4)
    assert agent.reading.active(net.client4) == 0
    assert agent.reading.opened(net.client4) == net.client.counter("TcpActiveOpens")
    assert agent.reading.bytes_out(net.client4) > 0


@pytest.mark.slow
def test_killed_while_short_connections_come_and_go(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    servers.nginx(net, tmp_path)
    net.client.set(ipv4__tcp_tw_reuse=1)
    agent.start()
    count = 40_000
    load = net.client.start("ab", "-q", "-n", str(count), "-c", "16", f"http://{net.server4}/")
    kills = hunt(agent, load, random.Random(2))
    assert load.returncode == 0
    assert kills >= 2
    settled(agent, count, net.client4, net.server4)
    opened = net.client.counter("TcpActiveOpens")
    for ip in (net.client4, net.server4):
        assert (agent.reading.opened(ip), agent.reading.active(ip)) == (opened, 0)


def ask(net: Link, times: int) -> None:
    net.client.run("sh", "-c", f"for i in $(seq {times}); do curl -sS -o /dev/null http://{net.server4}/; done")


def test_what_comes_while_no_agent_runs(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    """A workload whose only connection came in the gap is counted, and rows keep name and beginning."""
    servers.nginx(net, tmp_path)
    agent.start()
    ask(net, 3)
    settled(agent, 3, net.client4, net.server4)
    before = {tuple(row[:6]) for row in agent.reading.flows if row[0] in (net.client4, net.server4)}
    since = agent.reading.since
    agent.kill()
    ask(net, 4)
    agent.start()
    assert "taken over from an earlier agent, which counted on" in agent.said[0]
    settled(agent, 7, net.client4, net.server4)
    after = {tuple(row[:6]) for row in agent.reading.flows if row[0] in (net.client4, net.server4)}
    assert after == before
    assert {row[4] for row in agent.reading.flows if row[0] == net.client4} == {"curl"}
    assert agent.reading.since == since


def test_stopped_and_started(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    """A stop detaches; totals go on at the next start, what came between is not in them."""
    servers.nginx(net, tmp_path)
    agent.start()
    ask(net, 3)
    settled(agent, 3, net.client4)
    agent.stop()
    assert not list(agent.pins.iterdir())
    ask(net, 1)
    since = agent.reading.since
    agent.start()
    assert "go on where the last agent stopped" in agent.said[0]
    ask(net, 2)
    settled(agent, 5, net.client4, net.server4)
    assert agent.reading.since > since


def test_stopped_but_kept_counting(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    servers.nginx(net, tmp_path)
    agent.keep = True
    agent.start()
    ask(net, 1)
    agent.stop()
    ask(net, 2)
    agent.start()
    settled(agent, 3, net.client4, net.server4)


def test_without_its_journal(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    """Nobody can tell what the tables hold: they are thrown away, and that is said."""
    servers.nginx(net, tmp_path)
    agent.start()
    ask(net, 3)
    agent.watch(0.3)
    agent.kill()
    (agent.state / "journal").unlink()
    agent.start()
    assert "counters begin anew" in agent.said[0]
    ask(net, 2)
    settled(agent, 2, net.client4, net.server4)


def test_connections_that_outlive_agents(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    """What the probe keeps with the socket stays: a request may begin under one agent and end under the next."""
    servers.nginx(net, tmp_path)
    agent.start()
    with net.connect(servers.HTTP) as client:
        request = b"GET / HTTP/1.1\r\nHost: long.test\r\n\r\n"
        for _ in range(3):
            client.sendall(request[:9])
            agent.watch(0.1)
            agent.kill()
            client.sendall(request[9:])
            assert client.recv(1000).endswith(b"hello\n")
            agent.start()
        settled(agent, 3, net.client4, net.server4)
        assert agent.reading.active(net.client4) == 1
        assert {row[3] for row in agent.reading.flows if row[0] == net.client4} == {"long.test"}


@pytest.fixture
def pins() -> Iterator[Path]:
    folder = Path(f"/sys/fs/bpf/kindling-test-{os.getpid()}")
    yield folder
    with Pins(folder) as held:
        held.remove()


def exchange(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: kept.test\r\n\r\n")
    assert client.recv(1000).endswith(b"hello\n")


def counted(source: LiveSource) -> int:
    """Requests in all slots, as the kernel has them."""
    rows: Any = source.slots("op")
    return int(rows["hist"].sum())


def test_other_programs_take_over(pins: Path, net: Link, tmp_path: Path) -> None:
    """Another threshold makes other programs: they replace the old ones at their links, connections and counts stay."""
    servers.nginx(net, tmp_path)
    with Pins(pins) as held, attach(pins=held) as source:
        source.adopt({})
        client = net.connect(servers.HTTP)
        exchange(client)
        before, identity = counted(source), source.identity
        assert (source.taken_over, source.watched) == ("", False)
    with client:
        exchange(client)
        with Pins(pins) as held, LiveSource(slow_ns={2: 1}, pins=held) as source:
            assert (source.taken_over, source.watched, source.replaced) == ("maps", True, "")
            assert (source.identity, source.knows_sockets) == (identity, True)
            exchange(client)
            assert counted(source) >= before + 2 * 2
            slots: Any = source.slots("op")
            assert int(slots["slow"].sum()) == 2  # that last one, by the new threshold, at both ends
        with Pins(pins) as held, LiveSource(slow_ns={2: 1}, pins=held) as source:
            assert source.taken_over == "maps and programs"


def test_another_layout_starts_anew(pins: Path) -> None:
    with Pins(pins) as held, attach(pins=held) as source:
        identity = source.identity
    with Pins(pins) as held, attach(pins=held, bounds={"pendings": 64}) as source:
        assert source.taken_over == ""
        assert "another way" in source.replaced
        assert source.identity != identity
        assert len(held.layouts) == 1


def test_half_a_start_is_thrown_away(pins: Path) -> None:
    """Killed before its tables were complete, or while it stopped."""
    with Pins(pins) as held, attach(pins=held) as source:
        (pins / f"maps_{held.layouts[0]}").rename(pins / "unfinished")
    with Pins(pins) as held, attach(pins=held) as source:
        assert (source.taken_over, source.replaced) == ("", "")
        source.adopt({})
        held.drop_links()
    with Pins(pins) as held, attach(pins=held) as source:
        assert (source.taken_over, source.watched, source.knows_sockets) == ("maps", False, False)
