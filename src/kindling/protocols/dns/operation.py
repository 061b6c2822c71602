"""DNS queries as operations."""

from __future__ import annotations

from typing import Final

from kindling.model.codes import ProtocolNumber
from kindling.protocols.base import MILLISECOND, NO_ANSWER, Operation, Protocol
from kindling.protocols.dns.codes import rcode_name, type_name
from kindling.protocols.dns.message import parse
from kindling.protocols.dns.name import MalformedError, label_text, read_name


def parse_operation(text: bytes) -> Operation:
    """Query type (two bytes, big endian) and name in wire format to "A www.example.org"."""
    if len(text) < 2:
        return Operation("?", "")
    kind = type_name(int.from_bytes(text[:2], "big"))
    try:
        # nothing may follow a pointer here: the probe sends names without compression
        name, _ = read_name(text[2:], 0)
    except MalformedError:
        name = _cut_name(text[2:])
    return Operation(f"{kind} {name}", name)


def _cut_name(wire: bytes) -> str:
    """A name whose end was cut off: the whole labels that are there."""
    labels: list[str] = []
    at = 0
    while at < len(wire) and 0 < wire[at] < 64 and at + 1 + wire[at] <= len(wire):
        labels.append(label_text(wire[at + 1 : at + 1 + wire[at]]))
        at += 1 + wire[at]
    return ".".join([*labels, "…"])


def _request(head: bytes) -> str:
    """First bytes of a query."""
    message = parse(head)
    if message:
        return f"{message.type} {message.question}"
    return f"{len(head)} bytes"


def _status(status: int) -> str:
    """The response code, as a number."""
    return "" if status == NO_ANSWER else str(status - 1)


def _is_error(status: int) -> bool:
    return status != 1


def _explain(status: int) -> str:
    return "no answer" if status == NO_ANSWER else rcode_name(status - 1)


DNS: Final = Protocol(
    number=ProtocolNumber.DNS,
    name="dns",
    operation=parse_operation,
    status=_status,
    is_error=_is_error,
    request=_request,
    explain=_explain,
    slow_ns=100 * MILLISECOND,
)
