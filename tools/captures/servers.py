"""Small servers for what the usual ones do not do on demand. Run as: servers.py KIND [ADDRESS] PORT."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

BODY = b"<html>hello</html>\n"


def read_head(connection: socket.socket, rest: bytes = b"") -> tuple[bytes, bytes]:
    while b"\r\n\r\n" not in rest:
        data = connection.recv(65536)
        if not data:
            return b"", b""
        rest += data
    head, _, rest = rest.partition(b"\r\n\r\n")
    return head, rest


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def plain(connection: socket.socket) -> None:
    """HTTP/1.1 with what the path asks for."""
    rest = b""
    while True:
        head, rest = read_head(connection, rest)
        if not head:
            return
        method, path = head.split(b" ")[:2]
        if b"100-continue" in head.lower():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        missing = content_length(head)
        while len(rest) < missing:
            rest += connection.recv(65536)
        rest = rest[missing:]
        if path == b"/slow":
            time.sleep(0.6)
        if path.startswith(b"/wait"):
            time.sleep(0.02)
        answer(connection, method, path)
        if path == b"/close":
            return


def answer(connection: socket.socket, method: bytes, path: bytes) -> None:
    if method == b"CONNECT":
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        echo(connection)
    elif path == b"/chat":
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        echo(connection)
    elif path == b"/chunked":
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in (b"first ", b"GET /no HTTP/1.1\r\n\r\n", b"last\n" * 50):
            connection.sendall(b"%x;ext=1\r\n%s\r\n" % (len(chunk), chunk))
            time.sleep(0.01)
        connection.sendall(b"0\r\nX-Trailer: yes\r\n\r\n")
    elif path == b"/close":
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + BODY * 10)
    elif path == b"/drop":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    elif path == b"/error":
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nsorry")
    elif method == b"HEAD":
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
    elif path == b"/drip":
        for byte in b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok":
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
    else:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def half_closed(connection: socket.socket) -> None:
    """Answers only once the client has said that nothing more comes."""
    while connection.recv(65536):
        pass
    connection.sendall(b"that is all\n" * 20)


def hang_up(connection: socket.socket) -> None:
    """Reads a little, then resets."""
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve_tcp(work: Callable[[socket.socket], None], address: str, port: int, *, defer: bool = False) -> None:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if defer:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    listener.bind((address, port))
    listener.listen(64)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=guarded, args=(work, connection), daemon=True).start()


def guarded(work: Callable[[socket.socket], None], connection: socket.socket) -> None:
    try:
        with connection:
            work(connection)
    except OSError:
        pass


def serve_ntp(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            question, client = server.recvfrom(1024)
            version = question[0] >> 3 & 7
            server.sendto(
                struct.pack("!BBbb", version << 3 | 4, 2, 6, -20) + bytes(20) + question[40:48] + bytes(16), client
            )


def swallow(address: str, port: int) -> None:
    """A name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            server.recvfrom(65536)


KINDS: dict[str, Callable[[str, int], None]] = {
    "http": lambda address, port: serve_tcp(plain, address, port),
    "deferred": lambda address, port: serve_tcp(plain, address, port, defer=True),
    "echo": lambda address, port: serve_tcp(echo, address, port),
    "half": lambda address, port: serve_tcp(half_closed, address, port),
    "reset": lambda address, port: serve_tcp(hang_up, address, port),
    "ntp": serve_ntp,
    "swallow": swallow,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
