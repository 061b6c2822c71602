"""What goes wrong on real machines: storms, clocks that jump, sleeping agents, two agents, a kill in the middle."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kindling.agent.uninstall import uninstall
from kindling.capture.live import LiveSource
from kindling.config import Recycling, Settings
from kindling.errors import AlreadyRunningError
from kindling.table import Collector
from live import servers
from live.lasting import PROGRAM, LastingAgent, lasting_agent
from live.netns import Link
from live.probe import Probe
from live.test_restart import ask, settled

pytestmark = [pytest.mark.root, pytest.mark.live]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LastingAgent]:
    with lasting_agent(tmp_path) as made:
        yield made


@pytest.mark.slow
def test_fifty_thousand_short_connections(source: LiveSource, net: Link, tmp_path: Path) -> None:
    servers.nginx(net, tmp_path)
    net.client.set(ipv4__tcp_tw_reuse=1, ipv4__ip_local_port_range="1024 65535")
    probe = Probe(source)
    count = 50_000
    load = net.client.start("ab", "-q", "-n", str(count), "-c", "32", f"http://{net.server4}/")
    probe.watch(load, 0.5)
    assert load.returncode == 0
    for ip in (net.client4, net.server4):
        probe.shows_count(count, local_ip=ip)
        probe.shows_sums({"active": 0}, local_ip=ip)
    opened = net.client.counter("TcpActiveOpens")
    assert probe.sums("opened", "closed", local_ip=net.client4) == {"opened": opened, "closed": opened}


def test_a_fork_storm(source: LiveSource, net: Link, tmp_path: Path) -> None:
    """A process of its own for each request: one owner, and each is counted."""
    servers.nginx(net, tmp_path)
    probe = Probe(source)
    script = (
        f"for i in $(seq 300); do (exec 3<>/dev/tcp/{net.server4}/80; "
        'printf "GET /fork HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3 >/dev/null) & done; wait'
    )
    storm = net.client.start("bash", "-c", script)
    probe.watch(storm, 0.2)
    probe.shows_count(300, local_ip=net.client4)
    probe.shows_sums({"opened": 300, "active": 0}, local_ip=net.client4)
    assert len({row.labels.workload for row in probe.flows(local_ip=net.client4)}) == 1


def test_an_agent_that_sleeps(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    """SIGSTOP for as long as it takes to fill the ring: the kernel counts without anybody who reads."""
    servers.nginx(net, tmp_path)
    agent.start()
    agent.process.send_signal(signal.SIGSTOP)
    count = 30_000
    net.client.run("ab", "-q", "-k", "-n", str(count), "-c", "8", f"http://{net.server4}/")
    net.client.run("ab", "-q", "-k", "-n", "3000", "-c", "8", f"http://{net.server4}/missing")
    time.sleep(3)
    agent.process.send_signal(signal.SIGCONT)
    settled(agent, count + 3_000, net.client4, net.server4)
    assert agent.reading.lost.get("event_limit", 0) + agent.reading.lost.get("event_ring", 0) > 0


def test_a_clock_that_jumps(source: LiveSource, net: Link, tmp_path: Path) -> None:
    """An hour ahead, and back again: rows may be dated wrong, nothing is counted wrong."""
    servers.nginx(net, tmp_path)
    offset = 0.0
    probe = Probe(source)
    settings = Settings(recycling=Recycling(idle_seconds=1, pressure_idle_seconds=1), query_timeout=1.0)
    probe.collector = Collector(source, settings, probe.identifier, clock=lambda: time.time() + offset)
    with net.connect(servers.HTTP) as client:
        for jump in (0.0, 3600.0, 0.0, -3600.0, 0.0):
            offset = jump
            client.sendall(b"GET / HTTP/1.1\r\nHost: clock.test\r\n\r\n")
            assert client.recv(1000).endswith(b"hello\n")
            for _ in range(3):
                probe.tick()
    for ip in (net.client4, net.server4):
        probe.shows_count(5, local_ip=ip)
        probe.shows_sums({"opened": 1, "closed": 1, "active": 0}, local_ip=ip)


def test_two_agents(agent: LastingAgent, tmp_path: Path) -> None:
    """The second one says so, whatever its data directory; and nobody removes what the first one uses."""
    agent.start()
    second = LastingAgent(tmp_path / "other", agent.pins)
    with pytest.raises(AssertionError, match="ended with 1"):
        second.start()
    second.take_rest()
    with pytest.raises(AlreadyRunningError) as refused:
        uninstall(agent.pins, agent.state, None)
    assert refused.value.exit_code == 6
    assert "Another agent" in refused.value.message
    agent.watch(0.2)


def test_uninstall(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    servers.nginx(net, tmp_path)
    agent.start()
    agent.kill()
    data = tmp_path / "data"
    data.mkdir()
    (data / "inventory.db").touch()
    done = uninstall(agent.pins, agent.state, None)
    assert any("7 programs detached" in line for line in done)
    assert not agent.pins.exists()
    assert not agent.state.exists()
    assert data.exists()
    assert not uninstall(agent.pins, agent.state, None)
    assert uninstall(agent.pins, agent.state, data) == [f"removed {data}"]
    agent.start()
    ask(net, 2)
    settled(agent, 2, net.client4, net.server4)


KILLED_WHILE_RECYCLING = """
import os, sys
from kindling.capture.bpf import maps
from live import lasting
steps = int(sys.argv.pop(1))
wait, push, see = maps.Grace.wait, maps.Numbers.push, lasting.seen
armed = False

def die():
    global steps
    steps -= armed
    if steps == 0:
        os.kill(os.getpid(), 9)

def waiting(self):
    die()
    wait(self)
    die()

def pushing(self, numbers):
    for number in list(numbers):
        die()
        push(self, [number])

def seen(snapshot):
    global armed
    armed = True  # the start is over
    return see(snapshot)

maps.Grace.wait, maps.Numbers.push, lasting.seen = waiting, pushing, seen
lasting.main()
"""


def test_killed_in_the_middle_of_recycling(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    """At each grace and before each number that is put back, one agent after the other."""
    servers.nginx(net, tmp_path, log=True)
    killer = tmp_path / "killer.py"
    killer.write_text(KILLED_WHILE_RECYCLING)
    for step in range(1, 11):
        agent.program = [sys.executable, str(killer), str(step)]
        agent.start()
        ask(net, 2)
        agent.process.wait(10)
        agent.take_rest()
        assert agent.process.returncode == -signal.SIGKILL
    agent.program = list(PROGRAM)
    agent.start()
    sent = len((tmp_path / "access.log").read_text().splitlines())
    assert sent == 20
    settled(agent, sent, net.client4, net.server4)
