from __future__ import annotations

import dnslib
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kindling.protocols.dns import parse
from kindling.protocols.dns.message import MAX_RECORDS

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=5).map(".".join)
ttls = st.integers(0, 0x7FFF_FFFF)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, str, int, list[tuple[str, str, int, str]]]:
    """A message made by dnslib, and what must be read from it."""
    question = draw(names)
    rcode = draw(st.integers(0, 15))
    record = dnslib.DNSRecord(
        dnslib.DNSHeader(id=draw(st.integers(0, 65535)), qr=1, rcode=rcode),
        q=dnslib.DNSQuestion(question),
    )
    expected: list[tuple[str, str, int, str]] = []
    for _ in range(draw(st.integers(0, 6))):
        name, ttl = draw(names), draw(ttls)
        kind = draw(st.sampled_from(["A", "AAAA", "CNAME", "TXT"]))
        if kind == "A":
            value = str(draw(st.ip_addresses(v=4)))
            rdata = dnslib.A(value)
        elif kind == "AAAA":
            # Texts of addresses that hold an IPv4 one differ from Python to Python; dnslib reads one form only.
            value = str(draw(st.ip_addresses(v=6).filter(lambda address: int(address) >> 32 not in {0, 0xFFFF})))
            rdata = dnslib.AAAA(value)
        elif kind == "CNAME":
            value = draw(names)
            rdata = dnslib.CNAME(value)
        else:
            value = "x"
            rdata = dnslib.TXT(value)
        record.add_answer(dnslib.RR(name, getattr(dnslib.QTYPE, kind), ttl=ttl, rdata=rdata))
        if kind != "TXT":
            expected.append((name, kind, ttl, value))
    return bytes(record.pack()), question, rcode, expected


@given(answers())
def test_agrees_with_dnslib(answer: tuple[bytes, str, int, list[tuple[str, str, int, str]]]) -> None:
    data, question, rcode, expected = answer
    message = parse(data)
    assert message
    assert message.question == question
    assert message.rcode == rcode
    assert message.is_response
    assert not message.truncated
    found = [(r.name, r.type, r.ttl, r.value) for r in message.records]
    assert [(n, k, t) for n, k, t, _ in found] == [(n, k, t) for n, k, t, _ in expected]
    for (_, _, _, value), (_, kind, _, wanted) in zip(found, expected, strict=True):
        assert value == wanted or kind == "AAAA"  # the text of v4-mapped addresses differs


@given(answers(), st.data())
def test_cut_anywhere(answer: tuple[bytes, str, int, list[tuple[str, str, int, str]]], data: st.DataObject) -> None:
    whole, _, _, expected = answer
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    message = parse(cut)
    full = parse(whole)
    assert full
    if message:
        assert message.records == full.records[: len(message.records)]
        assert message.truncated or len(message.records) == len(expected)


@given(st.binary(max_size=600))
def test_random_bytes(data: bytes) -> None:
    parse(data)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_random_bytes_behind_a_header(data: bytes, count: int) -> None:
    message = parse(b"\x12\x34\x81\x80\0\1" + bytes([0, count, 0, 1, 0, 1]) + data)
    if message:
        assert message.id == 0x1234
        assert all(c >= " " for c in message.question)


@given(answers(), st.data())
def test_damaged_messages(answer: tuple[bytes, str, int, list[tuple[str, str, int, str]]], data: st.DataObject) -> None:
    damaged = bytearray(answer[0])
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[at] = data.draw(st.integers(0, 255))
    assume(bytes(damaged) != answer[0])
    parse(bytes(damaged))


def test_pointer_loops_end() -> None:
    header = b"\0\1\x81\x80\0\1\0\0\0\0\0\0"
    for pointer in (b"\xc0\x0c", b"\xc0\x0e", b"\x01a\xc0\x0c", b"\xff\xff"):
        assert parse(header + pointer + b"\0\1\0\1") is None


def test_pointer_to_before() -> None:
    data = b"\0\1\x81\x80\0\1\0\1\0\0\0\0\3www\7Example\3org\0\0\1\0\1\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    message = parse(data)
    assert message
    assert message.question == "www.example.org"
    assert [(r.name, r.value, r.ttl, r.addresses) for r in message.records] == [
        ("example.org", "192.0.2.1", 60, ("192.0.2.1",))
    ]


def test_ttl_with_the_top_bit_counts_as_zero() -> None:
    data = b"\0\1\x81\x80\0\1\0\1\0\0\0\0\1a\0\0\1\0\1\xc0\x0c\0\1\0\1\xff\xff\xff\xff\0\4\x7f\0\0\1"
    message = parse(data)
    assert message
    assert message.records[0].ttl == 0


def test_extended_rcode() -> None:
    data = b"\0\1\x81\x80\0\1\0\0\0\0\0\1\1a\0\0\1\0\1\0\0\x29\4\xd0\1\0\0\0\0\0"
    message = parse(data)
    assert message
    assert message.rcode == 16


def test_too_many_records() -> None:
    data = b"\0\1\x81\x80\0\1\x7f\xff\0\0\0\0\1a\0\0\1\0\1"
    data += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" * (MAX_RECORDS + 5)
    message = parse(data)
    assert message
    assert len(message.records) == MAX_RECORDS
    assert message.truncated


def test_https_record() -> None:
    rdata = (
        b"\0\1\0"
        b"\0\1\0\6\2h2\2h3"
        b"\0\3\0\2\x20\xfb"
        b"\0\4\0\4\xc0\0\2\1"
        b"\0\5\0\3abc"
        b"\0\6\0\x10" + b"\x20\1\x0d\xb8" + bytes(11) + b"\1"
        b"\x12\x34\0\1\xff"
    )
    data = b"\0\1\x81\x80\0\1\0\1\0\0\0\0\1a\0\0\x41\0\1\xc0\x0c\0\x41\0\1\0\0\1\x2c"
    message = parse(data + len(rdata).to_bytes(2, "big") + rdata)
    assert message
    assert message.type == "HTTPS"
    (record,) = message.records
    assert record.value == ("1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ech=(3 bytes) ipv6hint=2001:db8::1 key4660=ff")
    assert record.addresses == ("192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize("questions", [0, 2])
def test_only_one_question(questions: int) -> None:
    assert parse(bytes([0, 1, 0x81, 0x80, 0, questions]) + bytes(6) + b"\1a\0\0\1\0\1") is None
