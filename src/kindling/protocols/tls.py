"""TLS (RFC 8446, RFC 7301): a connection's properties; its requests cannot be seen."""

from __future__ import annotations

from typing import Final

from kindling.model.codes import ALPN_NAMES, TLS_VERSION_NAMES, ProtocolNumber
from kindling.protocols.base import Protocol, never, no_operation, no_status


def version_name(number: int) -> str:
    """`flow_slot.tls_version` to "1.2", "1.3"; "" for none."""
    return TLS_VERSION_NAMES.get(number, f"unknown ({number})")


def alpn_name(number: int) -> str:
    """`flow_slot.alpn` to "h2"; "" for none."""
    return ALPN_NAMES[number] if 0 <= number < len(ALPN_NAMES) else "other"


TLS: Final = Protocol(
    number=ProtocolNumber.TLS,
    name="tls",
    operation=no_operation,
    status=no_status,
    is_error=never,
)
