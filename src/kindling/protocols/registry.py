"""All protocols. A new one is added here and nowhere else in Python."""

from __future__ import annotations

from typing import Final

from kindling.model.codes import ProtocolNumber
from kindling.protocols.base import Protocol, never, no_operation, no_status
from kindling.protocols.dns import DNS
from kindling.protocols.http1 import HTTP1
from kindling.protocols.ntp import NTP
from kindling.protocols.tls import TLS

#: A connection whose first bytes are of no protocol we know.
UNKNOWN: Final = Protocol(
    number=ProtocolNumber.UNKNOWN,
    name="unknown",
    operation=no_operation,
    status=no_status,
    is_error=never,
)

ALL: Final = (UNKNOWN, HTTP1, DNS, TLS, NTP)

_BY_NUMBER: Final = {int(protocol.number): protocol for protocol in ALL}
_BY_NAME: Final = {protocol.name: protocol for protocol in ALL}


def by_number(number: int) -> Protocol:
    """The protocol of a number of the probe; `UNKNOWN` for one that is not decided or not known."""
    return _BY_NUMBER.get(number, UNKNOWN)


def by_name(name: str) -> Protocol:
    return _BY_NAME.get(name, UNKNOWN)


def slow_thresholds() -> list[int]:
    """Nanoseconds by protocol number: `config.slow_ns` of the probe."""
    return [by_number(number).slow_ns for number in range(len(ProtocolNumber))]
