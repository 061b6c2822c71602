"""The addresses of this host."""

from __future__ import annotations

import socket
from pathlib import Path
from struct import pack
from typing import Final

from kindling.identity import netns
from kindling.identity.proc import PROC

_LOCAL: Final = "/32 host LOCAL"


def own_addresses(proc: Path = PROC) -> set[str]:
    """Addresses of every interface in every network namespace of the host that can be entered."""
    found: set[str] = set()
    for path in netns.namespaces(proc).values():
        # /proc/PID/net shows the namespace of that process: no need to go there
        if path.parent.name == "ns":
            found |= addresses_in(path.parent.parent / "net")
        else:
            try:
                found |= netns.in_namespace(path, _own_thread)
            except OSError:
                continue
    return found


def _own_thread() -> set[str]:
    """Of the calling thread's namespace: /proc/self would show the main thread's."""
    return addresses_in(PROC / "thread-self" / "net")


def addresses_in(net: Path) -> set[str]:
    """By the files of a network namespace, /proc/PID/net; empty where the process is gone."""
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
