"""The numbers of `bpf/types.h` and the words users see for them.

A test reads the header and fails when the two disagree.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class RoleNumber(IntEnum):
    """enum role"""

    UNKNOWN = 0
    CLIENT = 1
    SERVER = 2


class ProtocolNumber(IntEnum):
    """enum protocol"""

    UNDECIDED = 0
    UNKNOWN = 1
    HTTP1 = 2
    DNS = 3
    TLS = 4
    NTP = 5


class NameKind(IntEnum):
    """enum name_kind"""

    OP = 1
    HOST = 2
    SNI = 3


class EventKind(IntEnum):
    """enum event_kind"""

    REQUEST = 1
    FAILURE = 2
    DNS = 3


#: enum failure, in order.
FAILURE_NAMES: Final = ("refused", "reset", "timeout", "unreachable", "local", "aborted")

#: enum lost, in order, each with the sentence that users read.
_PROBE_LOSSES: Final = {
    "flow_full": "no free flow slot: counted under the flow 'other'",
    "op_full": "no free operation slot: counted under the operation 'other'",
    "op_budget": "a workload has too many operations: counted under 'other'",
    "name_full": "no free name slot: the name is missing, the counts are not",
    "owner_full": "no free owner slot: the owner is shown as unknown",
    "storage": "no memory for a socket's state: the connection is not counted",
    "header": "a packet's headers could not be read",
    "payload": "a packet's payload could not be read",
    "gap": "bytes of a message were missed: its requests may be missing",
    "stash_full": "no room to keep the first part of a split head",
    "pipeline": "too many requests in flight: counted, latency unknown",
    "pending_full": "too many queries in flight: counted, answer not matched",
    "event_ring": "the ring was full: a slow or failed request was not sent",
    "event_limit": "the rate limit held a slow or failed request back",
    "dns_limit": "the rate limit held a DNS answer back: names may be missing",
    "head_too_long": "a message head was longer than the probe follows",
}
#: What the tables of user space could not show.
_TABLE_LOSSES: Final = {
    "flow_rows": "too many different flows: counted under the flow 'other'",
    "op_rows": "too many different operations: counted under the operation 'other'",
    "event_unreadable": "a slow or failed request, a failure or a DNS answer could not be read",
}
LOST_NAMES: Final = tuple(_PROBE_LOSSES)

#: Every cause in `Snapshot.lost`.
LOST_REASONS: Final = {**_PROBE_LOSSES, **_TABLE_LOSSES}

#: enum alpn, in order.
ALPN_NAMES: Final = ("", "http/1.1", "h2", "h3", "other")

#: flow_slot.tls_version: minor of the TLS version offered, plus one for 0 = none.
TLS_VERSION_NAMES: Final[dict[int, str]] = {0: "", 1: "1.0", 2: "1.1", 3: "1.2", 4: "1.3"}

#: The operation that takes what is beyond a budget.
OP_OTHER: Final = 1

#: Owner ids with this bit were given by user space, to sockets older than the agent.
INFERRED_OWNER: Final = 1 << 63
