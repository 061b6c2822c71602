"""One request and one stream: what servers and connections do to them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from apiserver import ApiServer
from certificates import authority
from kindling.kubernetes import client as client_module
from kindling.kubernetes.access import Access
from kindling.kubernetes.client import ApiError, Client

PODS = "/api/v1/pods"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@contextmanager
def saying(*answers: bytes) -> Iterator[Client]:
    """A server that answers one connection each with these bytes and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with closing(Client(Access("127.0.0.1", listener.getsockname()[1], tls=False))) as client:
            yield client
        thread.join(1)


def test_lines_are_cut_wherever_chunks_are() -> None:
    with saying(HEAD + chunk(b'{"a":1}\n{"b"') + chunk(b":2}") + chunk(b'\n{"c":3}\n') + b"0\r\n\r\n") as client:
        assert list(client.lines(PODS, {}, 5)) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (HEAD + chunk(b'{"a":1}\n{"b"') + b"0\r\n\r\n", "cut off"),
        (HEAD + chunk(b'{"a":1}\n') + b"ff\r\n{", "IncompleteRead"),
        (HEAD + b"no number\r\n", "IncompleteRead"),
        (b"", "closed connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno", "503"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\n\r\n" + b'{"message":"no way"', "403"),
    ],
)
def test_streams_that_break_off(answer: bytes, problem: str) -> None:
    with saying(answer) as client, pytest.raises(ApiError, match=problem):
        list(client.lines(PODS, {}, 5))


def test_an_event_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_LINE_BYTES", 1000)
    endless = HEAD + chunk(b"x" * 600) + chunk(b"x" * 600) + b"0\r\n\r\n"
    with saying(endless) as client, pytest.raises(ApiError, match="more than"):
        list(client.lines(PODS, {}, 5))


def test_a_connection_that_idled_too_long_is_made_anew() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with saying(answer, answer) as client:
        assert client.get(PODS, {}) == b"{}"
        assert client.get(PODS, {}) == b"{}"


def test_a_server_that_asks_for_patience() -> None:
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n"
    with saying(busy) as client, pytest.raises(ApiError) as caught:
        client.get(PODS, {})
    assert (caught.value.code, caught.value.retry_after) == (429, 17.0)


@pytest.fixture
def made() -> Iterator[Callable[[Access], Client]]:
    with ExitStack() as stack:
        yield lambda access: stack.enter_context(closing(Client(access)))


def test_answers_that_are_too_slow(made: Callable[[Access], Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_ANSWER_SECONDS", 0.1)
    with ApiServer() as server:
        server.delay = 0.4
        client = made(Access("127.0.0.1", server.port, tls=False))
        with pytest.raises(ApiError, match="timed out"):
            client.get(PODS, {})
        with pytest.raises(ApiError, match="timed out"):
            client.lines(PODS, {}, 5)
        server.delay = 0.0
        assert b"PodList" in client.get(PODS, {})


def test_authorities_that_are_rotated(made: Callable[[Access], Client], tmp_path: Path) -> None:
    """kubelet writes the new one into the file; a connection that the old one does not vouch for makes it read."""
    old, new = authority(tmp_path / "old"), authority(tmp_path / "new")
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(old.cert.read_bytes())
    with ApiServer(*old.issue("server")) as server:
        client = made(Access("127.0.0.1", server.port, ca_file=trusted))
        assert b"PodList" in client.get(PODS, {})
        server.show(*new.issue("server"))
        client.close()
        with pytest.raises(ApiError, match="certificate"):
            client.get(PODS, {})
        trusted.write_bytes(new.cert.read_bytes())
        with pytest.raises(ApiError, match="certificate"):
            made(Access("127.0.0.1", server.port, ca_file=old.cert)).get(PODS, {})
        assert b"PodList" in client.get(PODS, {})


def test_a_token_that_is_not_there_for_a_moment(made: Callable[[Access], Client], tmp_path: Path) -> None:
    token = tmp_path / "token"
    with ApiServer() as server:
        server.tokens = {"secret"}
        client = made(Access("127.0.0.1", server.port, tls=False, token_file=token))
        with pytest.raises(ApiError, match="No such file"):
            client.get(PODS, {})
        token.write_text("secret\n", encoding="ascii")
        assert b"PodList" in client.get(PODS, {})
        server.tokens = {"another"}
        with pytest.raises(ApiError, match="Unauthorized"):
            client.get(PODS, {})
