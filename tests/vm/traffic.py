"""Traffic with numbers known beforehand, over loopback, from plain sockets: nothing but Python is in the guest.

Client and server take turns in one thread, so that all has ended for both when `run` returns.
"""

import contextlib
import socket
import struct
from dataclasses import dataclass

HTTP_PORT = 8080
DNS_PORT = 53
REFUSED_PORT = 9
BODY = b"x" * 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each kind, for one address family."""

    connections: int = 7
    requests: int = 11  # on each connection; every third one is for what is not there
    queries: int = 13  # from one socket; every second one is for a name that does not exist
    refused: int = 5

    @property
    def missing(self) -> int:
        """Requests answered by 404, on all connections."""
        return self.connections * len(range(0, self.requests, 3))

    @property
    def found(self) -> int:
        return self.connections * self.requests - self.missing

    @property
    def nameless(self) -> int:
        """Queries answered by NXDOMAIN."""
        return len(range(0, self.queries, 2))


def request(index: int) -> bytes:
    path = f"/missing/{index}" if index % 3 == 0 else f"/users/{index}"
    return f"GET {path} HTTP/1.1\r\nHost: guest.test\r\n\r\n".encode()


def response(head: bytes) -> bytes:
    status = b"404 Not Found" if b"/missing/" in head else b"200 OK"
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(BODY), BODY)


def query(index: int) -> bytes:
    name = b"\x04nope\x04test\0" if index % 2 == 0 else b"\x05there\x04test\0"
    return struct.pack("!6H", 1000 + index, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1)


def answer(message: bytes) -> bytes:
    """Return an A record, or NXDOMAIN for nope.test."""
    if b"nope" in message:
        return message[:2] + struct.pack("!5H", 0x8183, 1, 0, 0, 0) + message[12:]
    record = struct.pack("!3HIH4B", 0xC00C, 1, 1, 60, 4, 192, 0, 2, 1)
    return message[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0) + message[12:] + record


def bytes_out(plan: Plan) -> int:
    """Return what the clients send over HTTP."""
    return plan.connections * sum(len(request(i)) for i in range(plan.requests))


def bytes_in(plan: Plan) -> int:
    return plan.connections * sum(len(response(request(i))) for i in range(plan.requests))


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += connection.recv(count - len(data))
    return data


def run(host: str, plan: Plan) -> None:
    """Do all of it for an address; the sockets are closed when it returns."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, HTTP_PORT), family=family, backlog=64) as listener:
        for _ in range(plan.connections):
            _http(listener, host, family, plan)
    _dns(host, family, plan)
    for _ in range(plan.refused):
        with socket.socket(family, socket.SOCK_STREAM) as client, contextlib.suppress(ConnectionRefusedError):
            client.connect((host, REFUSED_PORT))


def _http(listener: socket.socket, host: str, family: int, plan: Plan) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.connect((host, HTTP_PORT))
        connection, _ = listener.accept()
        with connection:
            for index in range(plan.requests):
                wanted = request(index)
                client.sendall(wanted)
                head = _read(connection, len(wanted))
                connection.sendall(response(head))
                _read(client, len(response(wanted)))
            client.close()
            assert connection.recv(1) == b""


def _dns(host: str, family: int, plan: Plan) -> None:
    with (
        socket.socket(family, socket.SOCK_DGRAM) as server,
        socket.socket(family, socket.SOCK_DGRAM) as client,
    ):
        server.bind((host, DNS_PORT))
        client.connect((host, DNS_PORT))
        for index in range(plan.queries):
            client.send(query(index))
            message, sender = server.recvfrom(512)
            server.sendto(answer(message), sender)
            client.recv(512)
