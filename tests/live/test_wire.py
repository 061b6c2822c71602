"""A wire with a delay, and one that loses, reorders and doubles: times are right, and counts stay exact."""

from __future__ import annotations

import fcntl
import random
import socket
import string
import termios
import threading
import time
from array import array
from contextlib import suppress

import pytest

from live.netns import Link
from live.probe import Probe
from live.wire import wire

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 8080
DELAY = 0.020
ACK = 0x10  # alone among the flags of a TCP header, without options of IP
WORDS = [f"{a}{b}" for a in string.ascii_lowercase[:5] for b in string.ascii_lowercase[:3]]


def close_to(nanoseconds: float, seconds: float) -> bool:
    """Within 5 % + 100 us, and never too little."""
    return -1e-4 <= nanoseconds / 1e9 - seconds <= 0.05 * seconds + 1e-4


def wait_acknowledged(connections: list[socket.socket]) -> None:
    """Until nothing they sent may have to be sent again."""
    waiting = array("i", [0])
    end = time.monotonic() + 30
    for each in connections:
        while fcntl.ioctl(each, termios.TIOCOUTQ, waiting) or waiting[0]:
            assert time.monotonic() < end, "what was sent is never acknowledged"
            time.sleep(0.005)


def serve(listener: socket.socket, size: int, served: list[socket.socket]) -> threading.Thread:
    """One connection after the other; `/words/N` is answered with a body."""

    def run() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                served.append(connection)
                threading.Thread(target=talk, args=(connection,)).start()

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            held = b""
            while more := connection.recv(1 << 16):
                held += more
                while b"\r\n\r\n" in held:
                    held = held.partition(b"\r\n\r\n")[2]
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_delay_of_the_wire(probe: Probe) -> None:
    """Waiting, connecting and round trips last as long as the wire makes them."""
    with wire(lambda number, packet: DELAY) as net, net.connection(PORT) as (client, server):
        for word in WORDS:
            client.sendall(b"GET /%s HTTP/1.1\r\nHost: far.test\r\n\r\n" % word.encode())
            server.recv(1000)
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            client.recv(1000)
        probe.shows(lambda: len(probe.ops(local_ip=net.client4)), len(WORDS))
        # the quickest: the others waited for a processor as well
        waited = min(row.wait_ns for row in probe.ops(local_ip=net.client4))
        assert close_to(waited, 2 * DELAY)
        (flow,) = [row for row in probe.flows(local_ip=net.client4) if row.opened]
        assert close_to(flow.connect_ns / flow.connect_count, 2 * DELAY) or flow.connect_ns < 3 * DELAY * 1e9
        assert close_to(flow.rtt_min_us * 1000, 2 * DELAY)
        assert 2 * DELAY * 1e6 <= flow.srtt_us <= 3 * DELAY * 1e6


def test_delay_of_each_part(probe: Probe, net: Link) -> None:
    """The request takes its time, the server thinks, the response takes its time: each for itself."""
    parts = {"send_ns": 0.020, "wait_ns": 0.030, "receive_ns": 0.040}
    with net.connection(PORT) as (client, server):
        for word in WORDS:
            client.sendall(b"POST /%s HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 4\r\n\r\nab" % word.encode())
            server.recv(1000)
            time.sleep(parts["send_ns"])
            client.sendall(b"cd")
            server.recv(1000)
            time.sleep(parts["wait_ns"])
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            client.recv(1000)
            time.sleep(parts["receive_ns"])
            server.sendall(b"cd")
            client.recv(1000)
    for ip in (net.client4, net.server4):
        probe.shows_requests({(f"POST /{word}", "200"): 1 for word in WORDS}, local_ip=ip)
        for name, seconds in parts.items():
            assert close_to(min(getattr(row, name) for row in probe.ops(local_ip=ip)), seconds), name
        for row in probe.ops(local_ip=ip):
            assert row.duration_ns == row.send_ns + row.wait_ns + row.receive_ns


@pytest.mark.parametrize("size", [10, 30_000], ids=["small", "large"])
@pytest.mark.parametrize("what", ["loss", "reordering", "both"])
def test_a_bad_wire(probe: Probe, what: str, size: int) -> None:
    """Requests are lost and sent again, overtake each other, come twice: each is counted once."""
    chance = random.Random(size)  # the same wire every time

    def fate(number: int, packet: bytes) -> float | None:
        if what != "reordering" and chance.random() < 0.02:
            return None
        if what != "loss" and chance.random() < 0.2:
            return 0.003
        return 0.0005

    count, connections = 60, 4
    with wire(fate) as net, net.listen(PORT) as listener:
        served: list[socket.socket] = []
        thread = serve(listener, size, served)
        clients = [net.connect(PORT) for _ in range(connections)]

        def ask(client: socket.socket) -> None:
            for number in range(count):
                client.sendall(b"GET /words/%d HTTP/1.1\r\nHost: bad.test\r\nX: %s\r\n\r\n" % (number, b"x" * 2000))
                left = len(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size) + size
                while left:
                    left -= len(client.recv(left))

        threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        wait_acknowledged(clients + served)
        # what is sent again later has no payload: FIN
        again = [ns.counter("TcpRetransSegs") for ns in (net.client, net.server)]
        again[1] -= net.server.counter("TcpExtTCPSynRetrans")  # there was no socket yet
        for client in clients:
            client.close()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        wanted = {("GET /words/*", "200"): count * connections}
        probe.shows_requests(wanted, local_ip=net.client4)
        probe.shows_requests(wanted, local_ip=net.server4)
        probe.shows_sums({"active": 0}, local_ip=net.client4)
        probe.shows_sums({"retransmits": again[0]}, local_ip=net.client4)
        probe.shows_sums({"retransmits": again[1]}, local_ip=net.server4)


@pytest.mark.parametrize("turns", [1, 2, 3], ids=["each", "every-second", "every-third"])
def test_heads_back_to_front(probe: Probe, turns: int) -> None:
    """A head over two segments whose second comes first, the connection's very first among them."""
    long = 0

    def fate(number: int, packet: bytes) -> float | None:
        nonlocal long
        if len(packet) < 1400:
            return 0.0005
        long += 1
        return 0.004 if (long - 1) % turns == 0 else 0.0005

    request = b"GET /back HTTP/1.1\r\nHost: back.test\r\nX: %b\r\n\r\n" % (b"x" * 2000)
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with wire(fate) as net:
        with net.connection(PORT) as (client, server):
            for _ in range(20):
                for data, sender, receiver in ((request, client, server), (response, server, client)):
                    sender.sendall(data)
                    left = len(data)
                    while left:
                        left -= len(receiver.recv(left))
        for ip in (net.client4, net.server4):
            probe.shows_requests({("GET /back", "200"): 20}, local_ip=ip)
            probe.shows_sums({"opened": 1, "active": 0}, local_ip=ip)


@pytest.mark.parametrize("later", [0, 1], ids=["in-order", "back-to-front"])
def test_payload_before_the_handshake_ends(probe: Probe, later: int) -> None:
    """The handshake's last packet is slow, so that payload completes it: the stream's first bytes, or later ones."""
    long = bare = 0

    def fate(number: int, packet: bytes) -> float | None:
        nonlocal long, bare
        if len(packet) >= 1000:
            long += 1
            return 0.004 if later and long == 1 else 0.0005
        if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_TCP and packet[33] == ACK:
            bare += 1
            return 0.030 if bare == 1 else 0.0005
        return 0.0005

    request = b"GET /soon HTTP/1.1\r\nHost: soon.test\r\nX: %b\r\n\r\n" % (b"x" * 2000)
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with wire(fate) as net:
        with net.listen(PORT) as listener, net.connect(PORT) as client:
            client.sendall(request)
            server, _ = listener.accept()
            with server:
                for turn in range(5):
                    left = len(request)
                    while left:
                        left -= len(server.recv(left))
                    server.sendall(response)
                    assert client.recv(1000) == response
                    if turn < 4:
                        client.sendall(request)
        for ip in (net.client4, net.server4):
            probe.shows_requests({("GET /soon", "200"): 5}, local_ip=ip)
            probe.shows_sums({"opened": 1, "active": 0}, local_ip=ip)
