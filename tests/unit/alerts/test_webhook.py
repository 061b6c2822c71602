"""The webhook against a real server that fails, refuses, hangs and drips."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from factories import flow
from kindling.alerts.alert import Alert
from kindling.alerts.courier import Courier
from kindling.alerts.webhook import WebhookSink
from kindling.config import Webhook
from kindling.config.alerts import WebhookAuth

SECRET = "0123456789abcdef-secret"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        if status == 0:  # hangs, and drips so that no single read times out
            while not self.server.release.wait(0.02):
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
            return
        if status > 0:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def settings(server: Server) -> Webhook:
    url = f"http://127.0.0.1:{server.server_address[1]}/T0KEN?a=1"
    return Webhook(url=url, backoff_seconds=0.01, backoff_max_seconds=0.02, timeout=2.0)


def alert() -> Alert:
    row = flow(name="", evidence="address")
    return Alert.of("direct", row, row.first_seen)


def deliver(chosen: Webhook, said: list[str]) -> tuple[bool, WebhookSink]:
    sink = WebhookSink(chosen, "node1", said.append)
    return sink.deliver([alert()], threading.Event()), sink


def test_failures_are_tried_again_until_it_is_taken(server: Server) -> None:
    server.answers = [500, 503, -1, 429, 204]
    said: list[str] = []
    arrived, sink = deliver(settings(server), said)
    assert arrived
    assert (sink.failed, sink.retried, len(server.got)) == (4, 4, 5)
    assert len({headers["webhook-id"] for headers, _ in server.got}) == 1
    assert json.loads(server.got[-1][1])["alerts"][0]["kind"] == "direct"
    assert len(said) == 2
    assert "T0KEN" not in "".join(said)


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_refusal_is_final(server: Server, status: int) -> None:
    server.answers = [status]
    said: list[str] = []
    assert not deliver(settings(server), said)[0]
    assert len(server.got) == 1
    assert f"status {status}" in said[0]


def test_a_server_that_drips_is_left_in_time(server: Server) -> None:
    server.answers = [0]
    said: list[str] = []
    assert deliver(replace(settings(server), timeout=0.2), said)[0]
    assert "timed out" in said[0]


def test_it_gives_up(server: Server) -> None:
    server.answers = [500] * 1_000
    said: list[str] = []
    assert not deliver(replace(settings(server), retry_seconds=0.1), said)[0]
    assert "did not answer in time" in said[-1]


@pytest.mark.parametrize("auth", ["bearer", "signature"])
def test_the_secret(server: Server, tmp_path: Path, auth: WebhookAuth) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n", encoding="ascii")
    deliver(replace(settings(server), secret_file=file, auth=auth), [])
    headers, body = server.got[0]
    if auth == "bearer":
        assert headers["authorization"] == f"Bearer {SECRET}"
        return
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(SECRET.encode(), signed, "sha256")
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert SECRET not in str(server.got)


def test_a_hanging_server_holds_nobody_up(server: Server) -> None:
    server.answers = [0] * 100
    chosen = replace(settings(server), timeout=60.0, batch=1)
    courier = Courier(WebhookSink(chosen, "n", lambda _: None), room=3, name="t", stop_seconds=0.05)
    courier.start()
    for _ in range(10):
        courier.put(alert())
    assert courier.pending <= 3
    assert courier.dropped == 7
    server.release.set()
    server.answers.clear()
    courier.close()
    assert courier.delivered + courier.dropped == 10
