"""DNS over UDP: names, outcomes, queries that nobody answers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.conftest import Agent

pytestmark = pytest.mark.e2e

SERVER = "127.0.0.153"
ANSWER = "192.0.2.55"


def wire_name(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def query(name: str, number: int) -> bytes:
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + wire_name(name) + struct.pack(">HH", 1, 1)


def answer(asked: bytes) -> bytes | None:
    """NXDOMAIN for names that begin with "no", nothing at all for "silent"."""
    label = asked[13 : 13 + asked[12]]
    if label.startswith(b"silent"):
        return None
    missing = label.startswith(b"no")
    head = asked[:2] + struct.pack(">HHHHH", 0x8183 if missing else 0x8180, 1, 0 if missing else 1, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(ANSWER)
    return head + asked[12:] + (b"" if missing else record)


@contextmanager
def dns_server() -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((SERVER, 53))

        def serve() -> None:
            while True:
                asked, client = server.recvfrom(512)
                if not asked:
                    return
                reply = answer(asked)
                if reply:
                    server.sendto(reply, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (SERVER, 53))
            thread.join()


def ask(name: str, number: int, *, answered: bool = True) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((SERVER, 53))
        client.send(query(name, number))
        if answered:
            assert client.recv(512)[:2] == struct.pack(">H", number)


def outcomes(rows: list[dict[str, Any]], role: str) -> dict[tuple[str, str], int]:
    return {(row["question"], row["outcome"]): row["count"] for row in rows if row["role"] == role}


WANTED = {
    ("www.example.test", "NOERROR"): 20,
    ("no.example.test", "NXDOMAIN"): 3,
    ("silent.example.test", "no answer"): 2,
}


def test_names_outcomes_and_silence(agent: Agent) -> None:
    with dns_server():
        for number in range(20):
            ask("www.example.test", 100 + number)
        for number in range(3):
            ask("no.example.test", 200 + number)
        for number in range(2):
            ask("silent.example.test", 300 + number, answered=False)
        rows = agent.wait_for("dns", lambda r: outcomes(r, "client") == outcomes(r, "server") == WANTED)
    assert outcomes(rows, "client") == WANTED
    assert outcomes(rows, "server") == WANTED
    found = next(row for row in rows if row["outcome"] == "NOERROR" and row["role"] == "client")
    assert found["server"] == SERVER
    assert found["answers"] == [{"name": "www.example.test", "type": "A", "ttl": 60, "value": ANSWER}]
