"""Nothing is lost and nothing counted twice, while the slots that are counted in are given back as fast as possible."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kindling.capture.live import LiveSource
from kindling.config import Recycling, Settings
from live import servers
from live.netns import Link
from live.probe import Probe

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def probe(source: LiveSource) -> Probe:
    """Every slot is given back after every reading, idle or not: what the probe adds meanwhile is at stake."""
    hasty = Recycling(idle_seconds=0, idle_open_seconds=0, pressure_idle_seconds=0)
    return Probe(source, Settings(recycling=hasty, query_timeout=1.0))


@pytest.mark.parametrize(
    "count, every", [(1_000_000, 0.005), (100_000, 1.0)], ids=["read-200-times-a-second", "read-every-second"]
)
def test_a_million_requests(probe: Probe, net: Link, tmp_path: Path, count: int, every: float) -> None:
    servers.nginx(net, tmp_path)
    recycled = probe.tick().stats["op_slots_recycled"]
    ab = net.client.start("ab", "-q", "-k", "-n", str(count), "-c", "16", f"http://{net.server4}/")
    begun = time.monotonic()
    probe.watch(ab, every)
    ab_seconds = time.monotonic() - begun
    assert ab.returncode == 0
    for ip in (net.client4, net.server4):
        probe.shows_requests({("GET /", "200"): count}, local_ip=ip)
        probe.shows_sums({"active": 0}, local_ip=ip)
    ours, theirs = probe.sums(local_ip=net.client4), probe.sums(local_ip=net.server4)
    assert (ours["opened"], ours["bytes_in"], ours["bytes_out"]) == (
        theirs["opened"],
        theirs["bytes_out"],
        theirs["bytes_in"],
    )
    assert ours["opened"] == ours["closed"]
    given_back = probe.tick().stats["op_slots_recycled"] - recycled
    assert given_back >= min(100, ab_seconds / every)


def test_requests_in_bursts(probe: Probe, net: Link, tmp_path: Path) -> None:
    """Between two bursts every slot goes idle and is given back, while the connections live on."""
    servers.nginx(net, tmp_path)
    clients = [net.connect(servers.HTTP) for _ in range(16)]
    request = b"GET / HTTP/1.1\r\nHost: burst.test\r\n\r\n"
    recycled = probe.tick().stats["op_slots_recycled"]
    try:
        for round_ in range(100):
            for client in clients[round_ % 2 :: 2]:
                client.sendall(request)
            for client in clients[round_ % 2 :: 2]:
                assert client.recv(1000).endswith(b"hello\n")
            probe.tick()
    finally:
        for client in clients:
            client.close()
    for ip in (net.client4, net.server4):
        probe.shows_requests({("GET /", "200"): 100 * 8}, local_ip=ip)
        probe.shows_sums({"opened": 16, "closed": 16}, local_ip=ip)
    assert probe.tick().stats["op_slots_recycled"] > recycled + 100


def test_many_short_connections(probe: Probe, net: Link, tmp_path: Path) -> None:
    servers.nginx(net, tmp_path)
    net.client.set(ipv4__tcp_tw_reuse=1)
    count = 10_000
    ab = net.client.start("ab", "-q", "-n", str(count), "-c", "16", f"http://{net.server4}/")
    probe.watch(ab, 0.01)
    assert ab.returncode == 0
    for ip in (net.client4, net.server4):
        probe.shows_requests({("GET /", "200"): count}, local_ip=ip)
        probe.shows_sums({"active": 0}, local_ip=ip)
    ours, theirs = probe.sums(local_ip=net.client4), probe.sums(local_ip=net.server4)
    opened = net.client.counter("TcpActiveOpens")
    assert (ours["opened"], ours["closed"]) == (opened, opened)
    assert (theirs["opened"], theirs["closed"]) == (opened, opened)
    assert ours["connect_count"] == opened
    assert not probe.failed(local_ip=net.client4)
