"""Data of HTTPS and SVCB records (RFC 9460)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from kindling.model.printable import printable
from kindling.protocols.dns.name import MalformedError, read_name
from kindling.wire.address import to_text

_IPV4_HINT: Final = 4
_IPV6_HINT: Final = 6


def read_service(message: bytes, start: int, end: int) -> tuple[str, tuple[str, ...]]:
    """Presentation text ("1 . alpn=h2,h3 ipv4hint=192.0.2.1") and the addresses it hints at."""
    if end - start < 3:
        raise MalformedError("a service record is too short")
    priority = int.from_bytes(message[start : start + 2], "big")
    target, at = read_name(message, start + 2)
    words = [str(priority), target]
    addresses: list[str] = []
    while at < end:
        key, value, at = _parameter(message, at, end)
        words.append(_parameter_text(key, value))
        if key == _IPV4_HINT:
            addresses += _ipv4(value)
        elif key == _IPV6_HINT:
            addresses += _ipv6(value)
    if at != end:
        raise MalformedError("a service record is longer than its data")
    return " ".join(words), tuple(addresses)


def _parameter(message: bytes, at: int, end: int) -> tuple[int, bytes, int]:
    """Key, value and end of the SvcParam at an offset."""
    if at + 4 > end:
        raise MalformedError("a service parameter is too short")
    key = int.from_bytes(message[at : at + 2], "big")
    behind = at + 4 + int.from_bytes(message[at + 2 : at + 4], "big")
    if behind > end:
        raise MalformedError("a service parameter ends beyond its record")
    return key, message[at + 4 : behind], behind


def _parameter_text(key: int, value: bytes) -> str:
    name, read = _PARAMETERS.get(key, (f"key{key}", _opaque))
    text = ",".join(read(value))
    return f"{name}={text}" if text else name


def _mandatory(value: bytes) -> list[str]:
    keys = [int.from_bytes(value[i : i + 2], "big") for i in range(0, len(value) - 1, 2)]
    return [_PARAMETERS[key][0] if key in _PARAMETERS else f"key{key}" for key in keys]


def _alpn(value: bytes) -> list[str]:
    names: list[str] = []
    at = 0
    while at < len(value):
        names.append(printable(value[at + 1 : at + 1 + value[at]]))
        at += 1 + value[at]
    return names


def _port(value: bytes) -> list[str]:
    return [str(int.from_bytes(value, "big"))] if len(value) == 2 else _opaque(value)


def _ipv4(value: bytes) -> list[str]:
    return [str(IPv4Address(value[i : i + 4])) for i in range(0, len(value) - 3, 4)]


def _ipv6(value: bytes) -> list[str]:
    return [to_text(value[i : i + 16]) for i in range(0, len(value) - 15, 16)]


def _ech(value: bytes) -> list[str]:
    """Keys for Encrypted Client Hello: that they are there is all a reader needs."""
    return [f"({len(value)} bytes)"]


def _opaque(value: bytes) -> list[str]:
    return [value.hex()] if value else []


#: RFC 9460 section 14.3.2.
_PARAMETERS: Final[dict[int, tuple[str, Callable[[bytes], list[str]]]]] = {
    0: ("mandatory", _mandatory),
    1: ("alpn", _alpn),
    2: ("no-default-alpn", _opaque),
    3: ("port", _port),
    _IPV4_HINT: ("ipv4hint", _ipv4),
    5: ("ech", _ech),
    _IPV6_HINT: ("ipv6hint", _ipv6),
}
