"""Sockets older than the agent: their owners and roles are found out afterwards, and said to be inferred."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from live import servers
from live.netns import Link
from live.probe import Probe, attach

pytestmark = [pytest.mark.root, pytest.mark.live]

REQUEST = b"GET /old/%d HTTP/1.1\r\nHost: old.test\r\n\r\n"


def ask(client: socket.socket, count: int) -> None:
    for number in range(count):
        client.sendall(REQUEST % number)
        assert client.recv(1000).endswith(b"hello\n")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_server_and_clients_older(net: Link, tmp_path: Path, stack: ExitStack, family: str) -> None:
    servers.nginx(net, tmp_path)
    client_ip, server_ip = net.ends(family)
    clients = [stack.enter_context(net.connect(servers.HTTP, family)) for _ in range(4)]
    for client in clients:
        ask(client, 2)
    source = stack.enter_context(attach())
    probe = Probe(source)
    probe.source.adopt(probe.identifier.older_sockets())
    for client in clients:
        ask(client, 25)
    for ip in (client_ip, server_ip):
        probe.shows_count(100, local_ip=ip, operation="GET /old/*")
    for role, ip in (("client", client_ip), ("server", server_ip)):
        rows = [row for row in probe.flows(local_ip=ip) if row.opened]
        assert [row.labels.role for row in rows] == [role]
        assert rows[0].labels.inferred
        assert (rows[0].opened, rows[0].labels.port) == (4, servers.HTTP)
    (server,) = {row.labels.workload for row in probe.flows(local_ip=server_ip)}
    assert (server.comm, server.inferred) == ("nginx", True)
    (client_workload,) = {row.labels.workload for row in probe.flows(local_ip=client_ip)}
    assert client_workload.kind != "unknown"
    for client in clients:
        client.close()
    for ip in (client_ip, server_ip):
        probe.shows_sums({"active": 0, "closed": 4}, local_ip=ip)


def test_listener_older(net: Link, tmp_path: Path, stack: ExitStack) -> None:
    """What an older listener accepts now is new: seen from its beginning, its owner inferred."""
    servers.nginx(net, tmp_path)
    source = stack.enter_context(attach())
    probe = Probe(source)
    probe.source.adopt(probe.identifier.older_sockets())
    with net.connect(servers.HTTP) as client:
        ask(client, 10)
    probe.shows_requests({("GET /old/*", "200"): 10}, local_ip=net.server4)
    (flow,) = [row for row in probe.flows(local_ip=net.server4) if row.opened]
    assert flow.labels.role == "server"
    assert flow.labels.workload.comm == "nginx"
    assert flow.labels.remote_ip == net.client4


def test_udp_older(net: Link, stack: ExitStack) -> None:
    server = stack.enter_context(net.server.socket(kind=socket.SOCK_DGRAM))
    client = stack.enter_context(net.client.socket(kind=socket.SOCK_DGRAM))
    server.bind((net.server4, 9999))
    client.connect((net.server4, 9999))
    client.send(b"before")
    server.recv(100)
    source = stack.enter_context(attach())
    probe = Probe(source)
    probe.source.adopt(probe.identifier.older_sockets())
    for _ in range(10):
        client.send(b"after")
        data, sender = server.recvfrom(100)
        server.sendto(data, sender)
        client.recv(100)
    wanted = {"packets_out": 10, "packets_in": 10, "bytes_out": 50, "bytes_in": 50}
    for role, ip in (("client", net.client4), ("server", net.server4)):
        probe.shows_sums(wanted, local_ip=ip, role=role, port=9999)
        assert all(row.labels.inferred for row in probe.flows(local_ip=ip))
