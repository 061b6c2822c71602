"""Single requests and failures that the probe sends one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kindling.model.labels import Role, Transport
    from kindling.model.peer import Peer
    from kindling.model.workload import Workload


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """A slow or failed request. Durations are nanoseconds."""

    time: float
    """Unix seconds, of the end of the request."""
    workload: Workload
    pid: int
    role: Role
    transport: Transport
    protocol: str
    local_ip: str
    local_port: int
    remote_ip: str
    remote_port: int
    name: str
    operation: str
    """As in OpLabels: "GET /users/*"."""
    content: str
    """As in OpLabels: "/users/*"."""
    request: str
    """What was asked, as sent up to the query string: "GET /users/17"."""
    status: str
    error: bool
    slow: bool
    send_ns: int
    wait_ns: int
    receive_ns: int
    request_bytes: int
    response_bytes: int
    peer: Peer | None = None
    """Who of the cluster has the remote address."""
    service: str = ""
    """As in `OpLabels`."""

    @property
    def duration_ns(self) -> int:
        return self.send_ns + self.wait_ns + self.receive_ns


@dataclass(frozen=True, slots=True)
class FailureEvent:
    """A connection that did not come to be."""

    time: float
    workload: Workload
    pid: int
    role: Role
    transport: Transport
    local_ip: str
    local_port: int
    remote_ip: str
    remote_port: int
    name: str
    reason: str
    """One of FAILURE_NAMES."""
    duration_ns: int
    """From the first SYN to the failure."""
    peer: Peer | None = None
    """As in `RequestEvent`."""
