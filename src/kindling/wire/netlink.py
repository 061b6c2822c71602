"""Netlink messages and attributes (netlink(7), linux/netlink.h): headers in the host's byte order, all aligned to four
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

REQUEST: Final = 0x001
ACK: Final = 0x004

ERROR: Final = 2
DONE: Final = 3

_HEADER: Final = Struct("=IHHII")
_ATTRIBUTE: Final = Struct("=HH")
_CODE: Final = Struct("=i")
_NESTED: Final = 0x8000
_TYPE_MASK: Final = 0x3FFF
"""Without the flags for nested attributes and network byte order."""

Span = tuple[int, int]
"""Where content begins and ends in the bytes around it."""
NOTHING: Final[Span] = (0, 0)


class Message(NamedTuple):
    kind: int
    sequence: int
    span: Span
    """Of the payload, in the datagram."""


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags, sequence, 0) + payload


def messages(datagram: bytes) -> Iterator[Message]:
    """Those of a datagram; what is cut off, or no message at all, ends them."""
    at, end = 0, len(datagram)
    while at + _HEADER.size <= end:
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size or at + length > end:
            return
        yield Message(kind, sequence, (at + _HEADER.size, at + length))
        at += length + 3 & ~3


def error_of(datagram: bytes, span: Span) -> int:
    """The errno in the payload of an ERROR; 0 acknowledges."""
    at, end = span
    code: int = _CODE.unpack_from(datagram, at)[0] if at + _CODE.size <= end else 0
    return -code


def attribute(kind: int, content: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(length, kind) + content + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(attributes))


def find(data: bytes, span: Span, kind: int) -> Span:
    """Content of the first attribute of a kind in a span; `NOTHING` where there is none before what is cut off."""
    at, end = span
    while at + _ATTRIBUTE.size <= end:
        length, found = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > end:
            break
        if found & _TYPE_MASK == kind:
            return at + _ATTRIBUTE.size, at + length
        at += length + 3 & ~3
    return NOTHING
