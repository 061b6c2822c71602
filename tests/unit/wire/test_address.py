import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.errors import InputError
from kindling.wire.address import is_v4, to_bytes, to_text


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
