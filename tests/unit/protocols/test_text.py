from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.protocols import host_name, printable


@given(st.binary(max_size=300))
def test_nothing_unsafe_survives(data: bytes) -> None:
    text = printable(data)
    assert all(unicodedata.category(c)[0] != "C" for c in text)
    assert all(unicodedata.category(c) not in {"Zl", "Zp"} for c in text)
    text.encode()


@given(st.binary(max_size=100))
def test_host_never_fails(data: bytes) -> None:
    assert all(unicodedata.category(c)[0] != "C" for c in host_name(data))


@pytest.mark.parametrize(
    "data, text",
    [
        (b"plain", "plain"),
        ("größe".encode(), "größe"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"a\r\nb", "a\\r\\nb"),
        (b"\xff", "\\xff"),
        ("\u202eevil".encode(), "\\u202eevil"),
    ],
)
def test_printable(data: bytes, text: str) -> None:
    assert printable(data) == text


@pytest.mark.parametrize(
    "data, name",
    [
        (b"Example.ORG", "example.org"),
        (b"example.org:8080", "example.org"),
        (b"example.org.", "example.org"),
        (b"example.org.:80", "example.org"),
        (b"[2001:db8::1]:80", "2001:db8::1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"10.0.0.1:80", "10.0.0.1"),
        (b" example.org ", "example.org"),
        (b"example.org:", "example.org"),
        (b"", ""),
    ],
)
def test_host(data: bytes, name: str) -> None:
    assert host_name(data) == name
