"""Clients for what the usual ones do not do on demand."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import time
from collections.abc import Sequence


def connect(address: str, port: int) -> socket.socket:
    connection = socket.create_connection((address, port), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def drain(connection: socket.socket, patience: float = 0.3) -> bytes:
    connection.settimeout(patience)
    got = b""
    try:
        while data := connection.recv(65536):
            got += data
    except (TimeoutError, ConnectionError):
        pass
    return got


def in_pieces(address: str, port: int, pieces: Sequence[bytes], pause: float = 0.01) -> None:
    with connect(address, port) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        drain(connection)


def byte_by_byte(address: str, port: int, data: bytes) -> None:
    in_pieces(address, port, [bytes([byte]) for byte in data], 0.001)


def pipelined(address: str, port: int, count: int) -> None:
    heads = [f"GET /users/{i} HTTP/1.1\r\nHost: pipe.example\r\n\r\n".encode() for i in range(count)]
    with connect(address, port) as connection:
        connection.sendall(b"".join(heads))
        drain(connection)


def upgraded(address: str, port: int) -> None:
    head = b"GET /chat HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    with connect(address, port) as connection:
        connection.sendall(head)
        connection.recv(65536)
        connection.sendall(b"GET /not-a-request HTTP/1.1\r\nHost: no.example\r\n\r\n")
        drain(connection)


def tunnelled(address: str, port: int) -> None:
    with connect(address, port) as connection:
        connection.sendall(b"CONNECT inner.example:443 HTTP/1.1\r\nHost: inner.example:443\r\n\r\n")
        connection.recv(65536)
        connection.sendall(b"GET /inside HTTP/1.1\r\nHost: no.example\r\n\r\n")
        drain(connection)


def open_and_ask(address: str, port: int) -> socket.socket:
    connection = connect(address, port)
    ask_again(connection, 1)
    return connection


def ask_again(connection: socket.socket, times: int) -> None:
    for i in range(times):
        connection.sendall(f"GET /users/{i} HTTP/1.1\r\nHost: old.example\r\n\r\n".encode())
        time.sleep(0.02)
        connection.recv(65536)


def half_close(address: str, port: int) -> None:
    with connect(address, port) as connection:
        connection.sendall(b"all I have to say")
        connection.shutdown(socket.SHUT_WR)
        drain(connection)


def talk(address: str, port: int, messages: Sequence[bytes]) -> None:
    with connect(address, port) as connection:
        for message in messages:
            connection.sendall(message)
            connection.recv(65536)


def ntp(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        for _ in range(3):
            client.sendto(bytes([4 << 3 | 3]) + bytes(39) + struct.pack("!II", 3_900_000_000, 1), (address, 123))
            client.recvfrom(1024)
            time.sleep(0.05)


# --- DNS ----------------------------------------------------------------------------------------------


def dns_query(number: int, name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def dns_in_pieces(address: str) -> None:
    messages = b"".join(
        struct.pack("!H", len(query)) + query
        for query in (
            dns_query(1, "www.example.test"),
            dns_query(2, "shop.example.test"),
            dns_query(3, "nowhere.example.test"),
        )
    )
    cuts = [0, 1, 5, 30, 37, 60, len(messages)]
    in_pieces(address, 53, [messages[a:b] for a, b in itertools.pairwise(cuts)])


def dns_parallel(address: str, count: int) -> None:
    """One socket, many queries before the first answer is read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        for i in range(count):
            client.sendto(dns_query(100 + i, "www.example.test", (1, 28)[i % 2]), (address, 53))
        for _ in range(count):
            client.recvfrom(4096)


def dns_with_destination_options(address: str) -> None:
    padding = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # next header and length are the kernel's; PadN of 4 bytes
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, padding)
        client.sendto(dns_query(7, "www.example.test"), (address, 53))
        client.recvfrom(4096)


# --- TLS ----------------------------------------------------------------------------------------------


def client_hello(name: str) -> bytes:
    """The first record a real TLS library sends."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def hello_in_pieces(address: str, port: int, name: str) -> None:
    hello = client_hello(name)
    cuts = [0, 3, 50, 120, 200, len(hello)]
    in_pieces(address, port, [hello[a:b] for a, b in itertools.pairwise(cuts)])


def post_quantum_hello(address: str, port: int, name: str) -> None:
    """A library's hello with an X25519MLKEM768 key share (1,216 bytes) before all other extensions."""
    record = client_hello(name)
    body = record[9:]
    at = 2 + 32
    at += 1 + body[at]
    at += 2 + int.from_bytes(body[at : at + 2], "big")
    at += 1 + body[at]
    extensions = split_extensions(body[at + 2 :])
    share = struct.pack("!HH", 0x11EC, 1216) + bytes(i * 7 & 255 for i in range(1216))
    grown = []
    for kind, data in extensions:
        if kind == 51:  # key_share
            both = share + data[2:]
            grown.insert(0, (kind, struct.pack("!H", len(both)) + both))
        else:
            grown.append((kind, data))
    block = b"".join(struct.pack("!HH", kind, len(data)) + data for kind, data in grown)
    body = body[:at] + struct.pack("!H", len(block)) + block
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    with connect(address, port) as connection:
        connection.sendall(record[:3] + struct.pack("!H", len(handshake)) + handshake)
        drain(connection)


def split_extensions(block: bytes) -> list[tuple[int, bytes]]:
    found = []
    while block:
        kind, size = struct.unpack("!HH", block[:4])
        found.append((kind, block[4 : 4 + size]))
        block = block[4 + size :]
    return found
