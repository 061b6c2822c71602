"""More of everything than there is room for: sums stay exact, tables stay small, and what was given up is told."""

from __future__ import annotations

import socket
import string
from itertools import islice, product

import pytest

from live.netns import Link
from live.probe import Probe
from live.test_full import OK, PORT, alone

pytestmark = [pytest.mark.root, pytest.mark.live]

PATHS = 20_000
DESTINATIONS = 100_000


@pytest.mark.slow
def test_twenty_thousand_paths(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of letters: nothing in them varies for the probe. What is beyond an owner's budget is operation `other`."""
    words = islice(product(string.ascii_lowercase, repeat=4), PATHS)
    with alone(monkeypatch) as probe, net.connection(PORT) as (client, server):
        for number, word in enumerate(words):
            client.sendall(b"GET /%b HTTP/1.1\r\nHost: storm.test\r\n\r\n" % "".join(word).encode())
            server.recv(1000)
            server.sendall(OK)
            client.recv(1000)
            if number % 500 == 0:
                probe.tick()
        for ip in (net.client4, net.server4):
            probe.shows_count(PATHS, local_ip=ip)
            assert len(probe.ops(local_ip=ip)) < PATHS // 2
        assert probe.tick().lost["op_budget"] > 0


@pytest.mark.slow
def test_a_hundred_thousand_destinations(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Datagrams to an address of its own each. Nobody answers; flows without a slot are counted as `other`."""
    net.client.ip(f"route add 100.64.0.0/10 via {net.server4}")
    with alone(monkeypatch) as probe:
        for number in range(DESTINATIONS):
            with net.client.socket(kind=socket.SOCK_DGRAM) as out:
                out.connect((f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", 9))
                out.send(b"x" * 10)
            if number % 2_000 == 0:
                probe.tick()
        probe.shows(lambda: shown_or_forgotten(probe), (DESTINATIONS, DESTINATIONS, 10 * DESTINATIONS))
        snapshot = probe.tick()
        assert len(snapshot.flows) <= 20_000
        assert snapshot.lost["flow_full"] > 0 or len(snapshot.flows) > 16_000


def shown_or_forgotten(probe: Probe) -> tuple[int, int, int]:
    """Opened, closed, bytes. A row that made room for others was one socket's."""
    forgotten = int(probe.collector.snapshot().stats["rows_evicted"])
    sums = probe.sums("opened", "closed", "bytes_out")
    return sums["opened"] + forgotten, sums["closed"] + forgotten, sums["bytes_out"] + 10 * forgotten


def test_a_full_ring(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Single requests are held back, and that is told; their numbers are not."""
    with alone(monkeypatch, events=4096) as probe:
        failing(net, 100)
        probe.shows_count(200)
        lost = probe.tick().lost
        assert lost["event_ring"] > 0
        assert len(probe.collector.snapshot().requests) == 200 - lost["event_ring"] - lost.get("event_limit", 0)


def failing(net: Link, count: int) -> None:
    with net.connection(PORT) as (client, server):
        for _ in range(count):
            client.sendall(b"GET /gone HTTP/1.1\r\nHost: storm.test\r\n\r\n")
            server.recv(1000)
            server.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            client.recv(1000)
