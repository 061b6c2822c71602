from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.config import Network
from kindling.identity import Place, Scopes

OWN = {"192.0.2.7", "2001:db8::7", "127.0.0.1"}


@pytest.mark.parametrize(
    "address, where",
    [
        ("127.0.0.53", "loopback"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "loopback"),
        ("::", "loopback"),
        ("", "loopback"),
        ("nonsense", "loopback"),
        ("192.0.2.7", "own"),
        ("::ffff:192.0.2.7", "own"),
        ("2001:db8::7", "own"),
        ("169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.251", "link-local"),
        ("ff02::fb", "link-local"),
        ("255.255.255.255", "link-local"),
        ("239.1.2.3", "private"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("172.32.0.0", "public"),
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
    ],
)
def test_scope(address: str, where: str) -> None:
    assert Scopes(own=OWN).place(address) == (where, "")


def test_configured_networks() -> None:
    scopes = Scopes(
        [
            Network("10.0.0.0/8", "company"),
            Network("10.1.0.0/16", "office"),
            Network("8.8.8.0/24", "dns", "private"),
            Network("10.1.1.0/24", scope="public"),
            Network("2001:db8::/32", "lab"),
        ]
    )
    assert scopes.place("10.9.9.9") == Place("private", "company")
    assert scopes.place("10.1.9.9") == Place("private", "office")
    assert scopes.place("10.1.1.9") == Place("public", ""), "the narrowest alone counts"
    assert scopes.place("8.8.8.8") == Place("private", "dns")
    assert scopes.place("8.8.4.4") == Place("public", "")
    assert scopes.place("2001:db8::1").network == "lab"
    assert scopes.place("::10.1.9.9").network == "", "numbers of IPv4 are no numbers of IPv6"


def test_own_addresses_change() -> None:
    scopes = Scopes(own=["192.0.2.7"])
    assert scopes.place("192.0.2.8").scope == "private"
    scopes.update(["192.0.2.8"])
    assert scopes.changes == 1
    assert scopes.place("192.0.2.8").scope == "own"
    assert scopes.place("192.0.2.7").scope == "private"
    scopes.update(["192.0.2.8"])
    assert scopes.changes == 1
    scopes.learn(["192.0.2.9"])
    assert scopes.place("192.0.2.9").scope == scopes.place("192.0.2.8").scope == "own"


def test_local_ends_of_flows_are_own() -> None:
    scopes = Scopes(learn_local=True)
    assert scopes.place("8.8.8.8").scope == "public"
    scopes.seen_locally("8.8.8.8")
    scopes.seen_locally("")
    assert scopes.place("8.8.8.8").scope == "own"
    scopes.update([])
    assert scopes.place("8.8.8.8").scope == "own", "also where no interface that can be seen has it"


def test_a_capture_has_no_host() -> None:
    scopes = Scopes()
    scopes.seen_locally("8.8.8.8")
    assert scopes.place("8.8.8.8").scope == "public"


def test_a_known_local_end_is_no_change() -> None:
    scopes = Scopes(own=["8.8.8.8"], learn_local=True)
    scopes.seen_locally("8.8.8.8")
    assert scopes.changes == 0


@given(st.ip_addresses().map(str) | st.text(max_size=50))
def test_any_text_has_a_place(text: str) -> None:
    assert Scopes(own=OWN).place(text).scope in {"public", "private", "link-local", "loopback", "own"}
