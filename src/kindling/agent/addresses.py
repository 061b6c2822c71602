"""The host's own addresses, in the network namespace of the agent."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

_LOCAL = "/32 host LOCAL"


def own_addresses() -> set[str]:
    """proc(5): IPv4 of /proc/net/fib_trie, IPv6 of /proc/net/if_inet6. Empty where /proc is not there."""
    return _ipv4() | _ipv6()


def _ipv4() -> set[str]:
    found = set()
    address = ""
    for line in _lines("/proc/net/fib_trie"):
        text = line.strip()
        if text.startswith("|-- "):
            address = text[4:]
        elif text == _LOCAL:
            found.add(address)
    return found


def _ipv6() -> set[str]:
    return {
        socket.inet_ntop(socket.AF_INET6, struct.pack("!QQ", int(hexed[:16], 16), int(hexed[16:], 16)))
        for line in _lines("/proc/net/if_inet6")
        if (hexed := line.split(" ", 1)[0])
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return []
