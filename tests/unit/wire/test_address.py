import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.errors import InputError
from kindling.wire.address import is_address, is_v4, parsed, to_bytes, to_text, unmapped


@given(st.ip_addresses())
def test_text_and_back(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    packed = to_bytes(str(address))
    assert len(packed) == 16
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert ipaddress.ip_address(to_text(packed)) == (mapped or address)
    assert is_v4(packed) == (mapped is not None or address.version == 4)


def test_the_usual_spelling() -> None:
    assert to_text(bytes(10) + b"\xff\xff\xc0\x00\x02\x01") == "192.0.2.1"
    assert to_text(bytes(16)) == "::"
    assert to_text(to_bytes("2001:DB8:0:0::7")) == "2001:db8::7"
    assert to_text(to_bytes("::ffff:10.0.0.1")) == "10.0.0.1"


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", "::g", "fe80::1%eth0", "localhost"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        to_bytes(text)


@pytest.mark.parametrize("length", [0, 4, 15, 17])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(InputError):
        to_text(bytes(length))


@given(st.ip_addresses())
def test_every_spelling_is_read(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert parsed(str(address)) == parsed(address.exploded.upper()) == address
    assert is_address(str(address))


@given(st.ip_addresses())
def test_mapped_or_not_it_is_the_same_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert to_bytes(str(unmapped(address))) == to_bytes(str(address))
    assert ipaddress.ip_address(to_text(to_bytes(str(address)))) == unmapped(address)


def test_a_zone_is_left_out() -> None:
    assert parsed("fe80::1%eth0") == ipaddress.ip_address("fe80::1")


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text: str) -> None:
    assert (parsed(text) is not None) == is_address(text.partition("%")[0])


@pytest.mark.parametrize("text", ["", "1.2.3", "01.2.3.4", "1.2.3.4.5", "::g", "localhost", "10.0.0.0/8"])
def test_what_is_none(text: str) -> None:
    assert parsed(text) is None
    assert not is_address(text)
