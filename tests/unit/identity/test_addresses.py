from __future__ import annotations

from kindling.identity.addresses import own_addresses, parse_fib_trie, parse_if_inet6

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.7
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
"""


def test_fib_trie() -> None:
    assert parse_fib_trie(FIB_TRIE) == {"192.0.2.7", "127.0.0.1"}


def test_if_inet6() -> None:
    text = "20010db8000000000000000000000007 02 40 00 80 eth0\nbroken\n"
    assert parse_if_inet6(text) == {"2001:db8::7"}


def test_this_host() -> None:
    assert "127.0.0.1" in own_addresses()
