"""Who may ask, by which name, how often, how much."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from asgi import Answer, get
from factories import flow, snapshot
from fixed_agent import FixedView
from kindling.api import create_app
from kindling.api.guard import CERTIFIED, LARGEST_HEAD, Guard
from kindling.config import Server

TOKEN = "s3cret-s3cret-s3cret"
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}


def app(settings: Server | None = None, *, loopback: bool = True) -> Guard:
    return create_app(FixedView(snapshot(flows=[flow(opened=1)])), settings, loopback=loopback)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"# of the operators\nanother-token-16-long\n{TOKEN}\n")
    return path


def problem(answer: Answer, status: int) -> dict[str, str]:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, str] = answer.json()
    assert set(found) >= {"type", "title", "status", "detail", "instance"}
    return found


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:9500", True),
        ("agent.localhost", True),
        ("127.0.0.1:9500", True),
        ("[::1]:9500", True),
        ("192.0.2.7:9500", True),
        ("evil.example", False),
        ("evil.example:9500", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_on_loopback_no_name_of_the_web_is_answered(host: str, allowed: bool) -> None:
    answer = get(app(), "/api/v1/flows", {"host": host})
    assert answer.status == (200 if allowed else 403)
    assert get(app(), "/metrics", {"host": host}).status == answer.status


@pytest.mark.parametrize("host", ["", ":80", "a:b", "[::1", "[::1]x", "localhost:9500:1", "localhost:"])
def test_a_host_that_is_none(host: str) -> None:
    problem(get(app(), "/api/v1/flows", {"host": host}), 400)


def test_names_can_be_allowed() -> None:
    shown = app(Server(allowed_hosts=("Node-1.example", "*.test")))
    assert get(shown, "/metrics", {"host": "node-1.EXAMPLE:9500"}).status == 200
    assert get(shown, "/metrics", {"host": "a.b.test"}).status == 200
    assert get(shown, "/metrics", {"host": "test"}).status == 403
    assert problem(get(shown, "/metrics", {"host": "x.example"}), 403)["hint"]


def test_elsewhere_any_name_is_answered_unless_some_are_named() -> None:
    assert get(app(loopback=False), "/metrics", {"host": "node-1"}).status == 200
    named = app(Server(allowed_hosts=("node-1",)), loopback=False)
    assert get(named, "/metrics", {"host": "node-1"}).status == 200
    assert get(named, "/metrics", {"host": "node-2"}).status == 403


# --- callers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/v1/flows", "/api/v1/openapi.json", "/api/v1/stream/flows", "/nothing"])
def test_without_token_nothing_is_told(path: str, token_file: Path) -> None:
    answer = get(app(Server(token_file=token_file)), path)
    assert "Bearer" in answer.headers["www-authenticate"]
    assert TOKEN not in answer.text
    problem(answer, 401)


def test_health_and_metrics_are_open(token_file: Path) -> None:
    assert get(app(Server(token_file=token_file)), "/healthz").status == 200
    assert get(app(Server(token_file=token_file)), "/metrics").status == 200
    closed = app(Server(token_file=token_file, metrics_auth=True))
    assert get(closed, "/healthz").status == 200
    assert get(closed, "/metrics").status == 401
    assert get(closed, "/metrics", AUTHORIZED).status == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        ("Bearer another-token-16-long", 200),
        (f"Basic {b64encode(f'me:{TOKEN}'.encode()).decode()}", 200),
        ("Bearer # of the operators", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer ", 401),
        ("Bearer \xe9", 401),
        (TOKEN, 401),
        ("Basic %%%", 401),
        (f"Basic {b64encode(TOKEN.encode()).decode()}", 401),
        (f"Digest {TOKEN}", 401),
    ],
)
def test_tokens(authorization: str, status: int, token_file: Path) -> None:
    assert get(app(Server(token_file=token_file)), "/api/v1/flows", {"authorization": authorization}).status == status


def test_a_token_file_is_read_again_when_it_changes(token_file: Path) -> None:
    shown = app(Server(token_file=token_file))
    assert get(shown, "/api/v1/flows", AUTHORIZED).status == 200
    fresh = token_file.with_name("new")
    fresh.write_text("completely-different-token\n")
    fresh.replace(token_file)
    assert get(shown, "/api/v1/flows", AUTHORIZED).status == 401
    assert get(shown, "/api/v1/flows", {"authorization": "Bearer completely-different-token"}).status == 200
    token_file.unlink()
    assert get(shown, "/api/v1/flows", {"authorization": "Bearer completely-different-token"}).status == 401


def test_wrong_tokens_are_held_up_but_nobody_else(token_file: Path) -> None:
    shown = app(Server(token_file=token_file))
    statuses = [get(shown, "/api/v1/flows", {"authorization": "Bearer no"}).status for _ in range(12)]
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429
    assert get(shown, "/api/v1/flows", AUTHORIZED).status == 200


def test_a_certificate_takes_the_place_of_a_token(token_file: Path) -> None:
    settings = Server(client_ca=Path("ca.pem"), tls_cert=Path("cert.pem"))
    assert get(app(settings), "/api/v1/flows", state={CERTIFIED: True}).status == 200
    assert "client certificate" in problem(get(app(settings), "/api/v1/flows", AUTHORIZED), 401)["detail"]
    both = Server(client_ca=Path("ca.pem"), tls_cert=Path("cert.pem"), token_file=token_file)
    assert get(app(both), "/api/v1/flows", AUTHORIZED).status == 200
    assert get(app(both), "/api/v1/flows", state={CERTIFIED: True}).status == 200


# --- how much ----------------------------------------------------------------------------------


def test_too_many_requests_of_one_peer() -> None:
    shown = app(Server(requests_per_second=1, request_burst=3))
    answers = [get(shown, "/api/v1/flows", client="192.0.2.1") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) == 1
    problem(answers[-1], 429)
    assert get(shown, "/api/v1/flows", client="192.0.2.2").status == 200
    assert get(shown, "/metrics", client="192.0.2.1").status == 200
    assert get(shown, "/healthz", client="192.0.2.1").status == 200
    assert shown.stats() == {"http.refused": 1}


@pytest.mark.parametrize(
    "headers", [{"content-length": "1"}, {"transfer-encoding": "chunked"}, {"content-length": "x"}]
)
def test_bodies_are_refused(headers: dict[str, str]) -> None:
    answer = get(app(), "/api/v1/flows", headers)
    assert answer.headers["connection"] == "close"
    problem(answer, 413)


def test_large_heads_are_refused() -> None:
    problem(get(app(), "/api/v1/flows", {"cookie": "x" * LARGEST_HEAD}), 431)
    problem(get(app(), f"/api/v1/flows?search={'x' * LARGEST_HEAD}"), 431)


# --- answers -----------------------------------------------------------------------------------


def test_security_headers() -> None:
    for path in ("/", "/metrics", "/api/v1/flows", "/api/v1/nothing"):
        headers = get(app(), path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


def test_unknown_paths_and_methods() -> None:
    assert problem(get(app(), "/api/v1/secrets"), 404)["hint"]
    answer = get(app(), "/api/v1/flows", method="POST")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    problem(answer, 405)
