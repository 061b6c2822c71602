"""However an application reads and writes: the probe watches packets, so no way around it may matter."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable

import pytest

from live.netns import Link, link
from live.probe import Probe
from live.uring import RECV, SEND, Ring

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 8080
BODY = bytes(range(256)) * 400
REQUEST = b"POST /calls HTTP/1.1\r\nHost: calls.test\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
MSG_FASTOPEN = 0x20000000
IPPROTO_MPTCP = 262
ROUNDS = 5


def read(connection: socket.socket, count: int) -> None:
    while count:
        count -= len(connection.recv(count))


def by_sendfile(client: socket.socket) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(REQUEST)
        file.flush()
        sent = 0
        while sent < len(REQUEST):
            sent += os.sendfile(client.fileno(), file.fileno(), sent, len(REQUEST) - sent)


def by_splice(client: socket.socket) -> None:
    out, into = os.pipe()
    client.settimeout(None)  # else splice() ends where the socket's buffer is full
    try:
        for at in range(0, len(REQUEST), 4096):
            left = os.write(into, REQUEST[at : at + 4096])
            while left:
                left -= os.splice(out, client.fileno(), left)
    finally:
        os.close(out)
        os.close(into)


def by_zerocopy(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    sent = 0
    while sent < len(REQUEST):
        sent += client.send(REQUEST[sent:], MSG_ZEROCOPY)


def by_vector(client: socket.socket) -> None:
    left = memoryview(REQUEST)
    while left:
        left = left[client.sendmsg([left[i : i + 7] for i in range(0, min(len(left), 7000), 7)]) :]


def by_cork(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    for at in range(0, len(REQUEST), 1000):
        client.sendall(REQUEST[at : at + 1000])
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def by_uring(client: socket.socket) -> None:
    client.settimeout(None)
    with Ring() as ring:
        sent = 0
        while sent < len(REQUEST):
            sent += ring.call(SEND, client.fileno(), bytearray(REQUEST[sent : sent + 5000]))


@pytest.mark.parametrize(
    "write", [by_sendfile, by_splice, by_zerocopy, by_vector, by_cork, by_uring], ids=lambda write: write.__name__[3:]
)
def test_ways_to_write(probe: Probe, net: Link, write: Callable[[socket.socket], None]) -> None:
    with net.connection(PORT) as (client, server):
        for _ in range(ROUNDS):
            write(client)
            read(server, len(REQUEST))
            server.sendall(OK)
            read(client, len(OK))
    _all_counted(probe, net)


def test_io_uring_reads(probe: Probe, net: Link) -> None:
    with net.connection(PORT) as (client, server), Ring() as ring:
        server.settimeout(None)
        for _ in range(ROUNDS):
            client.sendall(REQUEST)
            left = len(REQUEST)
            while left:
                left -= ring.call(RECV, server.fileno(), bytearray(left))
            ring.call(SEND, server.fileno(), bytearray(OK))
            read(client, len(OK))
    _all_counted(probe, net)


def test_data_in_the_first_packet(probe: Probe, net: Link) -> None:
    """TCP Fast Open: the request travels in the SYN. The server counts it; the client does not, and says so."""
    gaps = probe.source.lost()["gap"]
    request, after = (b"GET /%s HTTP/1.1\r\nHost: fast.test\r\n\r\n" % path for path in (b"fast", b"after"))
    net.client.set(ipv4__tcp_fastopen=0x3)
    net.server.set(ipv4__tcp_fastopen=0x3)
    with net.listen(PORT) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        for _ in range(ROUNDS):
            with net.client.socket() as client:
                client.settimeout(None)
                client.sendto(request, MSG_FASTOPEN, (net.server4, PORT))
                with listener.accept()[0] as server:
                    read(server, len(request))
                    server.sendall(OK)
                    read(client, len(OK))
                    client.sendall(after)
                    read(server, len(after))
                    server.sendall(OK)
                    read(client, len(OK))
    assert net.client.counter("TcpExtTCPFastOpenActive") == ROUNDS - 1  # the first one asks for the cookie
    probe.shows_requests({("GET /fast", "200"): ROUNDS, ("GET /after", "200"): ROUNDS}, local_ip=net.server4)
    probe.shows_requests({("GET /fast", "200"): 1, ("GET /after", "200"): ROUNDS}, local_ip=net.client4)
    sums = {"opened": ROUNDS, "closed": ROUNDS, "bytes_in": 2 * ROUNDS * len(OK)}
    probe.shows_sums(sums, local_ip=net.client4)
    assert probe.source.lost()["gap"] - gaps >= ROUNDS - 1


@pytest.mark.parametrize("who", ["server", "both"])
def test_multipath(probe: Probe, net: Link, who: str) -> None:
    """Servers written in Go listen for MPTCP; their clients mostly speak TCP."""
    with net.server.entered():
        try:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        except OSError as error:
            pytest.skip(f"no MPTCP in this kernel: {error}")
    with net.client.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP if who == "both" else 0)
    with listener, client:
        listener.bind((net.server4, PORT))
        listener.listen()
        client.connect((net.server4, PORT))
        with listener.accept()[0] as server:
            for _ in range(ROUNDS):
                client.sendall(REQUEST)
                read(server, len(REQUEST))
                server.sendall(OK)
                read(client, len(OK))
    _all_counted(probe, net)


def test_on_one_host(probe: Probe) -> None:
    """Both ends in one namespace, over loopback: each is counted for itself."""
    with link() as net:
        net.client.ip(f"addr add {net.server4}/32 dev lo")
        here = Link(net.client, net.client, net.client4, net.server4, net.client6, net.server6)
        with here.connection(PORT) as (client, server):
            for _ in range(ROUNDS):
                client.sendall(REQUEST)
                read(server, len(REQUEST))
                server.sendall(OK)
                read(client, len(OK))
    wanted = {("POST /calls", "200"): ROUNDS}
    for role in ("client", "server"):
        probe.shows_requests(wanted, local_ip=net.server4, role=role)


def _all_counted(probe: Probe, net: Link) -> None:
    for ip in (net.client4, net.server4):
        probe.shows_requests({("POST /calls", "200"): ROUNDS}, local_ip=ip)
    sums = {"opened": 1, "closed": 1, "bytes_out": ROUNDS * len(REQUEST), "bytes_in": ROUNDS * len(OK)}
    probe.shows_sums(sums, local_ip=net.client4)
    sums |= {"bytes_in": ROUNDS * len(REQUEST), "bytes_out": ROUNDS * len(OK)}
    probe.shows_sums(sums, local_ip=net.server4)
