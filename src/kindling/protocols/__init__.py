"""What the probe's names and numbers mean, protocol by protocol: bytes in, values out.

Nothing here touches a socket, a clock or a file. docs/protocols.md tells how to add one.
"""

from kindling.model.printable import printable
from kindling.protocols.base import Operation, Protocol
from kindling.protocols.registry import ALL, UNKNOWN, by_name, by_number, slow_thresholds
from kindling.protocols.text import host_name

__all__ = [
    "ALL",
    "UNKNOWN",
    "Operation",
    "Protocol",
    "by_name",
    "by_number",
    "host_name",
    "printable",
    "slow_thresholds",
]
