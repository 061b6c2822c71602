"""The values that travel through Kindling: what a table holds and exporters read."""

from kindling.model.codes import (
    ALPN_NAMES,
    FAILURE_NAMES,
    INFERRED_OWNER,
    LOST_NAMES,
    OP_OTHER,
    TLS_VERSION_NAMES,
    EventKind,
    NameKind,
    ProtocolNumber,
    RoleNumber,
)
from kindling.model.dns import DnsAnswer, DnsRecord
from kindling.model.events import FailureEvent, RequestEvent
from kindling.model.labels import EVIDENCE_ORDER, INSIDE, Evidence, FlowLabels, OpLabels, Role, Scope, Transport
from kindling.model.peer import UNKNOWN_POD, Peer
from kindling.model.rows import FlowRow, OpRow
from kindling.model.sighting import Sighting
from kindling.model.snapshot import Snapshot
from kindling.model.workload import Workload

__all__ = [
    "ALPN_NAMES",
    "EVIDENCE_ORDER",
    "FAILURE_NAMES",
    "INFERRED_OWNER",
    "INSIDE",
    "LOST_NAMES",
    "OP_OTHER",
    "TLS_VERSION_NAMES",
    "UNKNOWN_POD",
    "DnsAnswer",
    "DnsRecord",
    "EventKind",
    "Evidence",
    "FailureEvent",
    "FlowLabels",
    "FlowRow",
    "NameKind",
    "OpLabels",
    "OpRow",
    "Peer",
    "ProtocolNumber",
    "RequestEvent",
    "Role",
    "RoleNumber",
    "Scope",
    "Sighting",
    "Snapshot",
    "Transport",
    "Workload",
]
