"""What a DNS answer said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kindling.model.workload import Workload


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One resource record. `value`: an address, a name, or the text of an HTTPS record."""

    name: str
    type: str
    ttl: int
    value: str
    addresses: tuple[str, ...] = ()
    """Addresses it gives: of A and AAAA the value, of HTTPS and SVCB the hints."""


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """An answer whose content was new."""

    time: float
    workload: Workload
    pid: int
    server_ip: str
    question: str
    type: str
    rcode: int
    records: tuple[DnsRecord, ...]
    truncated: bool = False
    """The answer went on beyond what the probe copied."""
