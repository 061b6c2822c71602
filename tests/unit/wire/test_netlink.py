"""Messages and attributes of netlink: what was packed is found again, and nothing else is."""

from __future__ import annotations

import errno
import struct

from hypothesis import given
from hypothesis import strategies as st

from kindling.wire import netlink

ATTRIBUTES = st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=40)), max_size=8)


@given(ATTRIBUTES)
def test_attributes(pairs: list[tuple[int, bytes]]) -> None:
    data = b"".join(netlink.attribute(kind, content) for kind, content in pairs)
    assert len(data) % 4 == 0
    for kind in {kind for kind, _ in pairs}:
        start, end = netlink.find(data, (0, len(data)), kind)
        assert data[start:end] == next(content for each, content in pairs if each == kind)


@given(ATTRIBUTES, st.integers(1, 0x3FFF), st.data())
def test_cut_off_attributes(pairs: list[tuple[int, bytes]], kind: int, data: st.DataObject) -> None:
    whole = netlink.nested(kind, *(netlink.attribute(*each) for each in pairs), netlink.attribute(kind, b"end"))
    length = data.draw(st.integers(0, len(whole) - 1))
    assert netlink.find(whole[:length], (0, length), kind) == netlink.NOTHING


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.binary(max_size=40)), max_size=6))
def test_messages(wanted: list[tuple[int, int, bytes]]) -> None:
    datagram = b""
    for kind, sequence, payload in wanted:
        datagram += bytes(-len(datagram) % 4) + netlink.message(kind, netlink.REQUEST, sequence, payload)
    found = [(kind, sequence, datagram[start:end]) for kind, sequence, (start, end) in netlink.messages(datagram)]
    assert found == wanted


@given(st.binary(max_size=200))
def test_any_bytes(datagram: bytes) -> None:
    for _, _, span in netlink.messages(datagram):
        start, end = netlink.find(datagram, span, 1)
        assert 0 <= start <= end <= len(datagram)


def test_errors() -> None:
    refused = struct.pack("=i", -errno.EPERM)
    assert netlink.error_of(refused, (0, 4)) == errno.EPERM
    assert netlink.error_of(refused, (0, 3)) == 0
