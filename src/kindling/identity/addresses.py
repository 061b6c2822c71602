"""Where an address is, seen from this host."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from struct import pack
from typing import Final, Literal

from kindling.identity import netns
from kindling.identity.proc import PROC

Scope = Literal["loopback", "own", "link-local", "private", "public"]

_LOCAL: Final = "/32 host LOCAL"


def scope(address: str, own: set[str]) -> Scope:
    """Class of an address; `own` are the host's (`own_addresses`). Not an address: "public"."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return "public"
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback or ip.is_unspecified:
        return "loopback"
    if str(ip) in own:
        return "own"
    if ip.is_link_local:
        return "link-local"
    return "private" if ip.is_private else "public"


def own_addresses(proc: Path = PROC) -> set[str]:
    """Addresses of every interface in every network namespace of the host that can be entered."""
    found: set[str] = set()
    for path in netns.namespaces(proc).values():
        # /proc/PID/net shows the namespace of that process: no need to go there
        if path.parent.name == "ns":
            found |= _addresses(path.parent.parent / "net")
        else:
            try:
                found |= netns.in_namespace(path, _own_thread)
            except OSError:
                continue
    return found


def _own_thread() -> set[str]:
    """Of the calling thread's namespace: /proc/self would show the main thread's."""
    return _addresses(PROC / "thread-self" / "net")


def _addresses(net: Path) -> set[str]:
    return parse_fib_trie(_read(net / "fib_trie")) | parse_if_inet6(_read(net / "if_inet6"))


def parse_fib_trie(text: str) -> set[str]:
    """IPv4 addresses of /proc/net/fib_trie: leaves with a local /32 route, broadcasts excepted."""
    found: set[str] = set()
    address = ""
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("|-- "):
            address = word[4:]
        elif word == _LOCAL:
            found.add(address)
    return found


def parse_if_inet6(text: str) -> set[str]:
    """IPv6 addresses of /proc/net/if_inet6: 32 hexadecimal digits come first in each line."""
    found: set[str] = set()
    for line in text.splitlines():
        digits = line.partition(" ")[0]
        if len(digits) == 32:
            packed = pack("!QQ", int(digits[:16], 16), int(digits[16:], 16))
            found.add(socket.inet_ntop(socket.AF_INET6, packed))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
