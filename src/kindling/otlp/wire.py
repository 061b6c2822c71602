"""The protobuf wire format, as much of it as OTLP needs (https://protobuf.dev/programming-guides/encoding/).

Written here, for OTLP's messages are few, and a protobuf runtime costs more memory than the whole export: docs/otlp.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

_U64 = struct.Struct("<Q").pack
_I64 = struct.Struct("<q").pack
_F64 = struct.Struct("<d").pack


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(field: int, wire_type: int) -> bytes:
    """What stands before a field's value."""
    return varint(field << 3 | wire_type)


def number(field: int, value: int) -> bytes:
    """uint32, uint64, bool, enum."""
    return tag(field, VARINT) + varint(value)


def signed(field: int, value: int) -> bytes:
    """int64: negative ones take ten bytes."""
    return tag(field, VARINT) + varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def fixed64(field: int, value: int) -> bytes:
    return tag(field, FIXED64) + _U64(value)


def sfixed64(field: int, value: int) -> bytes:
    return tag(field, FIXED64) + _I64(value)


def double(field: int, value: float) -> bytes:
    return tag(field, FIXED64) + _F64(value)


def data(field: int, value: bytes) -> bytes:
    """bytes, a message, or packed numbers."""
    return tag(field, LENGTH) + varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """A string: valid UTF-8, whatever came from the network."""
    return data(field, value.encode("utf-8", "replace"))


class Malformed(ValueError):  # noqa: N818 -- says what the bytes are
    """Bytes that are no message."""


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field. Raises Malformed."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _read_varint(message, at)
            yield key >> 3, value
            continue
        if kind == LENGTH:
            size, at = _read_varint(message, at)
        elif kind in {FIXED64, FIXED32}:
            size = 8 if kind == FIXED64 else 4
        else:
            raise Malformed(f"wire type {kind}")
        if size > len(message) - at:
            raise Malformed("cut off")
        yield key >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise Malformed("cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Malformed("a number of more than ten bytes")
