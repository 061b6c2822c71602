"""A real server among clients that mean ill, or sleep."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from certificates import authority
from factories import flow, snapshot
from fixed_agent import FixedView, serving
from kindling.agent.tls import tls_context
from kindling.api import create_app
from kindling.api.guard import LARGEST_HEAD
from kindling.cli.client import Agent, fetch
from kindling.config import Server
from kindling.errors import PrivilegeError, SettingError, UnreachableError

#: About 4 MB as JSON.
MANY = 4_000
PATIENCE = 10.0


@contextmanager
def server(settings: Server | None = None, rows: int = 1) -> Iterator[str]:
    settings = settings or Server()
    view = FixedView(snapshot(flows=[flow(opened=n, port=n % 65_536) for n in range(rows)]))
    with serving(create_app(view, settings), settings) as url:
        yield url


def connect(url: str, *, receive: int = 0) -> socket.socket:
    """`receive`: size of the receive buffer, so that little of an answer fits on the way."""
    client = socket.socket()
    if receive:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", urlsplit(url).port))
    return client


def ask(client: socket.socket, path: str = "/healthz") -> None:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def is_well(client: socket.socket) -> bool:
    """Whether it is still answered."""
    ask(client)
    answer = b""
    while not answer.endswith(b"ok\n"):
        data = client.recv(1 << 16)
        if not data:
            return False
        answer += data
    return True


def is_cut(client: socket.socket) -> bool:
    """Whether the server ends the connection; reads what is there."""
    try:
        while client.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


_ALONE = """
import sys
from kindling.agent import memory
from kindling.config import Server
memory.settle()  # as the agent does
with server(Server(max_unread_bytes=2 << 20), int(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def server_alone(rows: int) -> Iterator[tuple[str, int]]:
    """In a process of its own, to see what it takes; gives address and process id."""
    path = os.pathsep.join(part for part in sys.path if part)
    code = f"import runpy; server = runpy.run_path({__file__!r})['server']\n" + _ALONE
    with subprocess.Popen(
        [sys.executable, "-c", code, str(rows)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout
        assert process.stdin
        yield process.stdout.readline().strip(), process.pid
        process.stdin.close()


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096


def test_scrapers_that_hang_stop_nobody_and_take_little_memory() -> None:
    with server_alone(MANY) as (url, pid), ExitStack() as stack:
        for _ in range(3):
            assert len(fetch(url, "/api/v1/flows")["rows"]) == MANY
        before = resident_bytes(pid)
        hanging = [stack.enter_context(connect(url, receive=128 << 10)) for _ in range(30)]
        begun = time.monotonic()
        for client in hanging:
            ask(client, "/api/v1/flows")
            assert fetch(url, "/api/v1/status")["node"] == "node-1"
        assert len(fetch(url, "/api/v1/flows")["rows"]) == MANY
        assert time.monotonic() - begun < PATIENCE
        grown = resident_bytes(pid) - before
        print(f"grown by {grown >> 20} MiB")
        # answers of 4 MB wait compressed, 2 MiB of them in all, and what is on its way
        assert grown < 16 << 20
        assert sum(map(is_cut, hanging[:20])) == 20


def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    with server(Server(unread_seconds=0.1), MANY) as url, connect(url, receive=128 << 10) as client:
        ask(client, "/api/v1/flows")
        assert client.recv(100)
        # what was on its way still arrives, but not the whole
        got = 0
        with contextlib.suppress(ConnectionError):
            time.sleep(0.5)  # the reader sleeps: that is what is tested
            while data := client.recv(1 << 16):
                got += len(data)
        assert got < 4_000_000


def test_a_reader_that_takes_its_time_gets_everything() -> None:
    with server(Server(unread_seconds=0.2), MANY) as url, connect(url, receive=128 << 10) as client:
        ask(client, "/api/v1/flows")
        head = client.recv(2_000)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        got = len(head.split(b"\r\n\r\n", 1)[1])
        begun = time.monotonic()
        while got < length:
            got += len(client.recv(32_768))
            if time.monotonic() - begun < 1:
                time.sleep(0.01)  # the reader is slow: that is what is tested
        assert got == length


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: loc", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"]
)
def test_requests_have_to_arrive_in_time(sent: bytes) -> None:
    with server(Server(header_seconds=0.1, idle_seconds=1)) as url, connect(url) as client:
        client.sendall(sent)
        assert is_cut(client)


def test_a_head_that_comes_byte_by_byte_is_not_waited_for() -> None:
    with server(Server(header_seconds=0.2)) as url, connect(url) as client:
        client.settimeout(0.02)
        begun = time.monotonic()
        with pytest.raises(ConnectionError):  # noqa: PT012 -- one of many
            while time.monotonic() - begun < PATIENCE:
                client.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not client.recv(1):
                        raise ConnectionResetError
        assert time.monotonic() - begun < PATIENCE / 2


def test_the_connection_that_was_idle_longest_makes_room() -> None:
    with server(Server(max_connections=4)) as url, ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(4)]
        assert all(map(is_well, [*clients, clients[0]]))
        assert fetch(url, "/api/v1/status")["node"] == "node-1"
        assert is_cut(clients[1])
        assert is_well(clients[0])


def test_one_peer_has_not_all_connections() -> None:
    with server(Server(connections_per_peer=2)) as url, ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(3)]
        assert is_cut(clients[0])
        assert is_well(clients[2])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * LARGEST_HEAD * 2, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * LARGEST_HEAD + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * LARGEST_HEAD + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 100, 413),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 413),
    ],
)
def test_what_is_no_request_is_answered_with_a_problem(sent: bytes, status: int) -> None:
    with server() as url, connect(url) as client:
        client.sendall(sent)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := client.recv(1 << 16):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split()[1] == str(status).encode()
        assert json.loads(body)["status"] == status
        assert fetch(url, "/api/v1/status")["node"] == "node-1"


def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    with server() as url, connect(url) as client:
        for _ in range(20):
            ask(client)
        answer = b""
        while answer.count(b"ok\n") < 20:
            answer += client.recv(1 << 16)
        assert answer.count(b"200 OK") == 20


# --- TLS -----------------------------------------------------------------------------------------


def test_tls_and_client_certificates(tmp_path: Path) -> None:
    ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
    cert, key = ours.issue("agent")
    mine, my_key = ours.issue("me", client=True)
    other, other_key = theirs.issue("other", client=True)
    settings = Server(tls_cert=cert, tls_key=key, client_ca=ours.cert)
    with server(settings) as url:
        assert url.startswith("https://")
        assert fetch(Agent(url, None, ours.cert, mine, my_key), "/api/v1/status")["node"] == "node-1"
        with pytest.raises(PrivilegeError, match="client certificate"):
            fetch(Agent(url, ca_file=ours.cert), "/api/v1/status")
        with pytest.raises(UnreachableError):
            fetch(Agent(url, None, ours.cert, other, other_key), "/api/v1/status")
        with pytest.raises(UnreachableError):
            fetch(Agent(url, ca_file=theirs.cert), "/api/v1/status")
        trusting = ssl.create_default_context(cafile=str(ours.cert))
        with trusting.wrap_socket(connect(url), server_hostname="localhost") as client:
            ask(client, "/metrics")
            assert b"200 OK" in client.recv(1 << 16)


def test_a_handshake_has_to_end_in_time(tmp_path: Path) -> None:
    ours = authority(tmp_path)
    cert, key = ours.issue("agent")
    with server(Server(tls_cert=cert, tls_key=key, header_seconds=0.1)) as url, connect(url) as client:
        assert is_cut(client)


def test_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    missing = tmp_path / "no.pem"
    with pytest.raises(SettingError, match="No such file"):
        tls_context(Server(tls_cert=missing))
    missing.write_text("no certificate")
    with pytest.raises(SettingError, match="cannot be used"):
        tls_context(Server(tls_cert=missing))
    assert tls_context(Server()) is None
