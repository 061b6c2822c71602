"""NTP (RFC 5905): small enough to be the example in docs/protocols.md."""

from __future__ import annotations

from typing import Final

from kindling.model.codes import ProtocolNumber
from kindling.protocols.base import NO_ANSWER, Operation, Protocol

#: RFC 5905 figure 10.
_MODES: Final = (
    "reserved",
    "symmetric active",
    "symmetric passive",
    "client",
    "server",
    "broadcast",
    "control",
    "private",
)

#: RFC 5905 figure 11: 0 is a kiss-o'-death, 16 an unsynchronised clock.
_UNSYNCHRONISED: Final = 16


def _operation(text: bytes) -> Operation:
    """One byte: version in the high half, mode in the low one."""
    if not text:
        return Operation("?", "")
    mode = _MODES[text[0] & 7]
    return Operation(f"NTPv{text[0] >> 4} {mode}", mode)


def _request(head: bytes) -> str:
    """First byte of a packet: leap indicator (2 bits), version (3), mode (3)."""
    if not head:
        return ""
    return _operation(bytes([(head[0] >> 3 & 7) << 4 | (head[0] & 7)])).label


def _status(status: int) -> str:
    """The stratum of the answer."""
    return "" if status == NO_ANSWER else str(status - 1)


def _is_error(status: int) -> bool:
    return status == NO_ANSWER or not 0 < status - 1 < _UNSYNCHRONISED


NTP: Final = Protocol(
    number=ProtocolNumber.NTP,
    name="ntp",
    operation=_operation,
    status=_status,
    is_error=_is_error,
    request=_request,
)
