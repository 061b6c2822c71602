from __future__ import annotations

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.protocols import Operation
from kindling.protocols.dns import DNS, rcode_name, type_name
from kindling.protocols.dns.operation import parse_operation


def wire(name: str) -> bytes:
    buffer = dnslib.DNSBuffer()
    buffer.encode_name_nocompress(dnslib.DNSLabel(name))
    return bytes(buffer.data)


@pytest.mark.parametrize(
    "text, label, content",
    [
        (b"\0\1" + wire("www.example.org"), "A www.example.org", "www.example.org"),
        (b"\0\x1c" + wire("a.b"), "AAAA a.b", "a.b"),
        (b"\xff\0" + wire("a"), "TYPE65280 a", "a"),
        (b"\0\2\0", "NS .", "."),
        (b"\0\1\3www\7exam", "A www.…", "www.…"),
        (b"\0\1\3w w\0", "A w\\032w", "w\\032w"),
        (b"\0\1\3a.b\1c\0", "A a\\046b.c", "a\\046b.c"),
        (b"\0\1\xc0\0", "A …", "…"),
        (b"\0", "?", ""),
    ],
)
def test_operation(text: bytes, label: str, content: str) -> None:
    assert parse_operation(text) == Operation(label, content)


@given(st.binary(max_size=300))
def test_never_fails(data: bytes) -> None:
    assert all(c >= " " for c in parse_operation(data).label)


def test_status() -> None:
    assert [DNS.status(s) for s in (0, 1, 4)] == ["", "0", "3"]
    assert [DNS.is_error(s) for s in (0, 1, 4)] == [True, False, True]
    assert [DNS.explain(s) for s in (0, 1, 4)] == ["no answer", "NOERROR", "NXDOMAIN"]
    assert DNS.slow_ns == 100_000_000


def test_request() -> None:
    query = b"\0\1\1\0\0\1\0\0\0\0\0\0" + wire("a.b") + b"\0\1\0\1"
    assert DNS.request(query) == "A a.b"
    assert DNS.request(b"\0") == "1 bytes"


def test_names_of_numbers() -> None:
    assert (type_name(65), type_name(65280)) == ("HTTPS", "TYPE65280")
    assert (rcode_name(3), rcode_name(4095)) == ("NXDOMAIN", "RCODE4095")
