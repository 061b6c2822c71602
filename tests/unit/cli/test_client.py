"""Asking an agent: tokens, certificates, refusals, strangers."""

from __future__ import annotations

import json
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from certificates import Authority, authority
from fixed_agent import serving
from kindling.cli.client import Agent, agent_port, fetch
from kindling.config import Server
from kindling.errors import BusyError, InputError, KindlingError, PrivilegeError, SettingError, UnreachableError


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[Scope]]]:
    """Gives the same to everybody; its address, and what it was asked."""
    asked: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with serving(app) as url:
        yield url, asked


def problem(status: int, **values: Any) -> bytes:
    """RFC 9457"""
    return json.dumps({"type": "about:blank", "status": status} | values).encode()


def test_parameters_may_repeat() -> None:
    with answering(200, b"{}") as (url, asked):
        assert fetch(url, "/x", [("port", 80), ("port", 443), ("destination", "a b&c")]) == {}
    assert asked[0]["query_string"] == b"port=80&port=443&destination=a+b%26c"


def test_an_agent_behind_a_path() -> None:
    with answering(200, b"{}") as (url, asked):
        fetch(f"{url}/node-1/", "/api/v1/status")
    assert asked[0]["path"] == "/node-1/api/v1/status"


def test_the_token_is_shown(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("# of the week\ns3cret\nthe one before\n", encoding="ascii")
    with answering(200, b"{}") as (url, asked):
        fetch(Agent(url, token_file=token), "/x")
    assert (b"authorization", b"Bearer s3cret") in asked[0]["headers"]


@pytest.mark.parametrize("content", [b"", b"\n", b"# nothing", b"\x01", b"\xff\xfe"])
def test_what_is_no_token(content: bytes, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_bytes(content)
    with pytest.raises(SettingError, match=str(token)):
        fetch(Agent("http://127.0.0.1:1", token_file=token), "/x")


def test_a_token_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no such file"):
        fetch(Agent(token_file=tmp_path / "absent"), "/x")


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, InputError, 2),
        (401, PrivilegeError, 3),
        (403, PrivilegeError, 3),
        (422, InputError, 2),
        (429, BusyError, 1),
        (500, BusyError, 1),
        (503, BusyError, 1),
    ],
)
def test_refusals(status: int, error: type[KindlingError], code: int) -> None:
    said = problem(status, title="Short", detail="Say why.")
    with answering(status, said) as (url, _), pytest.raises(error, match=r"Say why\.") as caught:
        fetch(url, "/x")
    assert caught.value.exit_code == code


def test_a_problem_without_detail() -> None:
    with answering(404, problem(404, title="Not Found")) as (url, _), pytest.raises(InputError, match="Not Found"):
        fetch(url, "/x")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b'"text"'])
def test_strangers(body: bytes) -> None:
    with answering(200, body) as (url, _), pytest.raises(UnreachableError, match="no Kindling agent: HTTP status 200"):
        fetch(url, "/x")


def test_certificates(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate", encoding="ascii")
    with pytest.raises(SettingError, match="certificates"):
        fetch(Agent("https://127.0.0.1:1", ca_file=broken), "/x")
    with pytest.raises(SettingError, match="https"):
        fetch(Agent("http://127.0.0.1:1", ca_file=broken), "/x")


def test_no_tls_on_the_other_side() -> None:
    with answering(200, b"{}") as (url, _), pytest.raises(UnreachableError) as raised:
        fetch(url.replace("http:", "https:"), "/x")
    assert "speaks no TLS" in raised.value.message
    assert raised.value.hint == f"Try {url}."


def test_tls_on_the_other_side_only(trusted: Authority) -> None:
    cert, key = trusted.issue("agent")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    with serving(app, Server(tls_cert=cert, tls_key=key)) as url, pytest.raises(UnreachableError) as raised:
        fetch(url.replace("https:", "http:"), "/x")
    assert url in raised.value.hint


@pytest.mark.parametrize(
    ("url", "port"), [("http://a:9500", 9500), ("http://a", 80), ("https://a/x", 443), ("http://[::1]:7", 7)]
)
def test_ports(url: str, port: int) -> None:
    assert agent_port(url) == port


# --- TLS --------------------------------------------------------------------------------------


class _Polite(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(trusted: Authority) -> Iterator[str]:
    """Lets nobody in without a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*trusted.issue("server"))
    context.load_verify_locations(trusted.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), _Polite) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # refusing is what it is there for
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_both_sides_show_their_certificates(secure: str, trusted: Authority) -> None:
    cert, key = trusted.issue("reader", client=True)
    assert fetch(Agent(secure, ca_file=trusted.cert, cert_file=cert, key_file=key), "/x") == {}


def test_an_agent_that_nobody_trusts(secure: str) -> None:
    with pytest.raises(UnreachableError, match="--ca-file"):
        fetch(Agent(secure), "/x")


def test_without_a_certificate_of_our_own(secure: str, trusted: Authority) -> None:
    with pytest.raises(UnreachableError):
        fetch(Agent(secure, ca_file=trusted.cert), "/x")
