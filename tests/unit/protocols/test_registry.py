from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling import protocols
from kindling.model import ProtocolNumber
from kindling.protocols.tls import alpn_name, version_name


@pytest.mark.parametrize("number", [n for n in ProtocolNumber if n != ProtocolNumber.UNDECIDED])
def test_each_number_has_a_protocol(number: ProtocolNumber) -> None:
    assert protocols.by_number(number).number == number


def test_unknown_numbers() -> None:
    assert protocols.by_number(0) is protocols.UNKNOWN
    assert protocols.by_number(200) is protocols.UNKNOWN
    assert protocols.by_name("gopher") is protocols.UNKNOWN


def test_names_differ() -> None:
    assert len({p.name for p in protocols.ALL}) == len(protocols.ALL)


def test_slow_thresholds() -> None:
    slow = protocols.slow_thresholds()
    assert len(slow) == len(ProtocolNumber)
    assert slow[ProtocolNumber.HTTP1] == 500_000_000
    assert slow[ProtocolNumber.DNS] == 100_000_000


@given(st.sampled_from(protocols.ALL), st.binary(max_size=300), st.integers(0, 65535))
def test_no_parser_fails(protocol: protocols.Protocol, data: bytes, status: int) -> None:
    operation = protocol.operation(data)
    for text in (operation.label, operation.content, protocol.request(data)):
        assert all(c >= " " for c in text)
    protocol.explain(status)
    assert protocol.status(0) == ""
    protocol.status(status)
    protocol.is_error(status)


def test_tls_names() -> None:
    assert [version_name(n) for n in (0, 3, 4)] == ["", "1.2", "1.3"]
    assert "9" in version_name(9)
    assert [alpn_name(n) for n in (0, 1, 2, 3, 4, 77)] == ["", "http/1.1", "h2", "h3", "other", "other"]


def test_ntp() -> None:
    ntp = protocols.by_name("ntp")
    assert ntp.operation(bytes([4 << 4 | 3])).label == "NTPv4 client"
    assert ntp.operation(b"").label == "?"
    assert ntp.request(bytes([0b00_100_011])) == "NTPv4 client"
    assert ntp.request(b"") == ""
    assert ntp.status(3) == "2"
    assert [ntp.is_error(s) for s in (0, 1, 2, 16, 17)] == [True, True, False, False, True]
