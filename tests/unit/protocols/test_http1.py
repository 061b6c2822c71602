from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.protocols import Operation
from kindling.protocols.http1 import HTTP1, collapse, parse_operation


@pytest.mark.parametrize(
    "text, label, content",
    [
        (b"GET /users/*", "GET /users/*", "/users/*"),
        (b"GET /users/17", "GET /users/*", "/users/*"),
        (b"GET /users/17?x=1", "GET /users/*", "/users/*"),
        (b"GET /v1/users", "GET /v1/users", "/v1/users"),
        (b"POST /", "POST /", "/"),
        (b"OPTIONS *", "OPTIONS *", "*"),
        (b"CONNECT example.org:443", "CONNECT example.org:443", "example.org:443"),
        (b"GET http://example.org/a/1", "GET /a/*", "/a/*"),
        (b"GET http://example.org", "GET /", "/"),
        (b"GET /a HTTP/1.1\r\nHost: x", "GET /a", "/a"),
        (b"GET", "GET", ""),
        (b"", "?", ""),
        (b"\x01\x02 /x", "? /x", "/x"),
    ],
)
def test_operation(text: bytes, label: str, content: str) -> None:
    assert parse_operation(text) == Operation(label, content)


@pytest.mark.parametrize(
    "segment",
    [
        "1",
        "2024-01-31",
        "10.0.0.1",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
        "d41d8cd98f00b204e9800998ecf8427e",
        "deadbeef01",
        "eyJhbGciOiJIUzI1NiIsInR5",
        "*",
    ],
)
def test_variable_segments(segment: str) -> None:
    assert collapse(f"/a/{segment}/b") == "/a/*/b"


@pytest.mark.parametrize(
    "segment", ["v1", "users", "feedface", "index.html", "a-rather-long-article-title", "api2", ""]
)
def test_literal_segments(segment: str) -> None:
    assert collapse(f"/a/{segment}/b") == f"/a/{segment}/b"


@given(st.text(max_size=100))
def test_collapsing_twice_changes_nothing(path: str) -> None:
    assert collapse(collapse(path)) == collapse(path)


@given(st.binary(max_size=300))
def test_never_fails(data: bytes) -> None:
    label = HTTP1.operation(data).label
    assert label.isprintable() or not label.isascii()
    assert "\n" not in HTTP1.request(data)


def test_status() -> None:
    assert [HTTP1.status(s) for s in (0, 200, 404)] == ["", "200", "404"]
    assert [HTTP1.is_error(s) for s in (0, 101, 200, 399, 400, 503)] == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]


def test_request() -> None:
    assert HTTP1.request(b"GET /users/17?x=1 HTTP/1.1\r\n") == "GET /users/17"
