"""Domain names on the wire (RFC 1035 section 4.1.4)."""

from __future__ import annotations

from typing import Final

#: RFC 1035 section 2.3.4: octets of a name, with the length of each label and the final zero.
MAX_NAME: Final = 255

_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_*/:+@=~")


class MalformedError(ValueError):
    """The bytes are no DNS. Does not leave this package."""


def read_name(message: bytes, at: int) -> tuple[str, int]:
    r"""The name at an offset, and the offset behind it.

    A pointer must lead to before the place it was reached from, so no chain of them has a loop.
    Names are lower-cased (RFC 4343); bytes that are not usual in names become `\DDD`
    (RFC 1035 section 5.1). The root is ".".
    """
    labels: list[str] = []
    behind = -1
    barrier = at
    octets = 1
    while True:
        length = _byte(message, at)
        if length == 0:
            break
        kind = length & 0xC0
        if kind == 0xC0:
            target = (length & 0x3F) << 8 | _byte(message, at + 1)
            if behind < 0:
                behind = at + 2
            if target >= barrier:
                raise MalformedError("a compression pointer does not lead backwards")
            at = barrier = target
            continue
        if kind:
            raise MalformedError("a label of unknown kind")
        label = message[at + 1 : at + 1 + length]
        if len(label) < length:
            raise MalformedError("a label ends beyond the message")
        octets += 1 + length
        if octets > MAX_NAME:
            raise MalformedError("a name is too long")
        labels.append(label_text(label))
        at += 1 + length
    return ".".join(labels) or ".", at + 1 if behind < 0 else behind


def label_text(label: bytes) -> str:
    r"""One label, lower-cased, with everything unusual as `\DDD`."""
    low = label.lower()
    if _PLAIN.issuperset(low):
        return low.decode("ascii")
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in low)


def _byte(message: bytes, at: int) -> int:
    if at >= len(message):
        raise MalformedError("a name ends beyond the message")
    return message[at]
