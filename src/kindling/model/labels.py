"""What tells one row from another. Labels never change while their row lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from kindling.model.peer import Peer
from kindling.model.workload import Workload

Role = Literal["client", "server", "unknown"]
Transport = Literal["tcp", "udp"]
Evidence = Literal["host", "sni", "dns", "node-dns", "static", "address"]
"""How a name is known, the best first: Host or SNI of that very connection, a DNS answer to this workload, one to
another on this node, /etc/hosts or the settings, not at all. See docs/names.md.
"""
Scope = Literal["public", "private", "link-local", "loopback", "own"]

#: From the best to the worst.
EVIDENCE_ORDER: Final[tuple[Evidence, ...]] = ("host", "sni", "dns", "node-dns", "static", "address")
#: Scopes that do not lie outside this host.
INSIDE: Final[frozenset[Scope]] = frozenset({"loopback", "own"})


@dataclass(frozen=True, slots=True)
class FlowLabels:
    """A workload, a remote endpoint and what is spoken between them."""

    workload: Workload
    role: Role
    transport: Transport
    protocol: str
    """Name of a protocol of `kindling.protocols`, or "unknown"."""
    local_ip: str
    remote_ip: str
    port: int
    """Of the service: the remote port of a client, the local port of a server."""
    name: str
    """By which the remote (of a client) is known, or ""."""
    evidence: Evidence
    """How the name is known."""
    inferred: bool
    """Role or owner was found out afterwards: the socket is older than the agent."""
    scope: Scope = field(default="public", compare=False)
    """Of the remote address. Tells no rows apart: it follows the settings and the addresses this host has."""
    network: str = field(default="", compare=False)
    """Label of a configured network that the remote address is in, or ""."""
    peer: Peer | None = None
    """Who of the cluster has the remote address, where that is known."""
    service: str = field(default="", compare=False)
    """For which service of the cluster this endpoint of a server answers, or "". Tells no rows apart: it may change."""

    @property
    def outside(self) -> bool:
        """Whether this leads from this host to a destination outside it, and outside its cluster."""
        return self.role == "client" and self.peer is None and self.scope not in INSIDE


@dataclass(frozen=True, slots=True)
class OpLabels:
    """An operation under a flow (client) or under an endpoint (server)."""

    workload: Workload
    role: Role
    protocol: str
    local_ip: str
    remote_ip: str
    """"" for a server, and for what is beyond a budget."""
    port: int
    name: str
    operation: str
    """For people: "GET /users/*", "A www.example.org", "other", "?" while not known yet."""
    content: str
    """`request_content` of the contract: "/users/*", "www.example.org"."""
    status: str
    """`response_content` of the contract: "404", "3"; "" when no answer came."""
    error: bool
    transport: Transport = "tcp"
    evidence: Evidence = "address"
    inferred: bool = False
    peer: Peer | None = None
    """As in `FlowLabels`; None for a server, which has many."""
    service: str = field(default="", compare=False)
    """As in `FlowLabels`."""
