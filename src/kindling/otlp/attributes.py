"""Labels of rows and events as attributes: OpenTelemetry's semantic conventions 1.x where they have a name for it."""

from __future__ import annotations

from typing import Final

from kindling.model import FlowLabels, OpLabels, Peer, RequestEvent
from kindling.otlp.messages import Attributes, Value
from kindling.protocols import by_name

HTTP: Final = "http"
DNS: Final = "dns"
#: RFC 9110 and RFC 5789; "Semantic conventions for HTTP": others are written _OTHER.
_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
NO_ANSWER: Final = "no_response"
"""`error.type` of a request that got no answer."""


def flow_attributes(flow: FlowLabels) -> Attributes:
    """Of a connection."""
    pairs: dict[str, Value] = {
        "kindling.role": flow.role,
        "network.transport": flow.transport,
        "network.protocol.name": flow.protocol,
        **_ends(flow.role, flow.local_ip, flow.remote_ip, flow.port, flow.name),
        **_peer(flow.peer),
    }
    if flow.role != "server":
        pairs |= {
            "kindling.name.evidence": flow.evidence,
            "kindling.destination.scope": flow.scope,
            "kindling.destination.network": flow.network,
        }
    if flow.inferred:
        pairs["kindling.inferred"] = True
    return pairs


def operation_attributes(op: OpLabels) -> Attributes:
    """Of requests of one kind, with one outcome."""
    return {
        "kindling.role": op.role,
        "network.transport": op.transport,
        "network.protocol.name": op.protocol,
        **_ends(op.role, op.local_ip, op.remote_ip, op.port, op.name),
        **_peer(op.peer),
        **_request(op.protocol, op.operation, op.content),
        **_outcome(op.protocol, op.role, op.status, error=op.error),
        **({"kindling.inferred": True} if op.inferred else {}),
    }


def event_attributes(event: RequestEvent) -> Attributes:
    """Of a single request."""
    server = event.role == "server"
    port = event.local_port if server else event.remote_port
    pairs: dict[str, Value] = {
        "network.transport": event.transport,
        "network.protocol.name": event.protocol,
        **_ends(event.role, event.local_ip, event.remote_ip, port, event.name),
        **_peer(event.peer),
        "network.local.address": event.local_ip,
        "network.local.port": event.local_port,
        "network.peer.address": event.remote_ip,
        "network.peer.port": event.remote_port,
        **_request(event.protocol, event.operation, event.content),
        **_outcome(event.protocol, event.role, event.status, error=event.error),
    }
    if event.pid:
        pairs["process.pid"] = event.pid
    if event.protocol == HTTP:
        pairs |= {
            "url.path": event.request.partition(" ")[2],
            "http.request.size": event.request_bytes,
            "http.response.size": event.response_bytes,
        }
    pairs["kindling.slow"] = event.slow
    return pairs


def is_failure(protocol: str, role: str, status: str, *, error: bool) -> bool:
    """Whether a span's status is ERROR. HTTP's 4xx are the client's mistakes: an error there, none on the server."""
    if protocol == HTTP and role == "server" and status.isdecimal():
        return int(status) >= 500
    return error


def _ends(role: str, local_ip: str, remote_ip: str, port: int, name: str) -> Attributes:
    if role == "server":
        return {"server.address": local_ip, "server.port": port, "client.address": remote_ip}
    return {"server.address": name or remote_ip, "server.port": port, "network.peer.address": remote_ip}


def _peer(peer: Peer | None) -> Attributes:
    """Who of the cluster is at the other end. The conventions have names for the resource itself only."""
    if peer is None:
        return {}
    return {
        "kindling.peer.kind": peer.kind,
        "kindling.peer.namespace": peer.namespace,
        "kindling.peer.workload.kind": peer.workload_kind,
        "kindling.peer.workload.name": peer.workload_name,
        "kindling.peer.pod": peer.pod,
        "kindling.peer.service": peer.service,
        "kindling.peer.node": peer.node,
    }


def _request(protocol: str, operation: str, content: str) -> Attributes:
    if protocol == HTTP:
        method = operation.partition(" ")[0]
        known = method in _METHODS
        pairs: dict[str, Value] = {"url.scheme": "http", "url.template": content if content.startswith("/") else ""}
        if known:
            return {"http.request.method": method, **pairs}
        return {"http.request.method": "_OTHER", "kindling.operation": operation, **pairs}
    if protocol == DNS:
        kind, _, question = operation.partition(" ")
        return {"dns.question.name": content or operation, "kindling.dns.question.type": kind if question else ""}
    return {"kindling.operation": operation}


def _outcome(protocol: str, role: str, status: str, *, error: bool) -> Attributes:
    number = int(status) if status.isascii() and status.isdecimal() and len(status) < 10 else None
    failed = is_failure(protocol, role, status, error=error)
    kind = (status if protocol == HTTP else _words(protocol, number, status)) or NO_ANSWER
    pairs: dict[str, Value] = {"error.type": kind} if failed else {}
    if protocol == HTTP:
        return {"http.response.status_code": number, **pairs} if number is not None else pairs
    return {"kindling.response.status": _words(protocol, number, status), **pairs}


def _words(protocol: str, number: int | None, status: str) -> str:
    return by_name(protocol).explain(number + 1) if protocol == DNS and number is not None else status
