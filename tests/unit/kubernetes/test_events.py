"""Whatever comes in whatever order: in the end as much is known as if the last state had been all there ever was."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.objects import AnyObject, EndpointSlice, Node, Pod, Service
from kindling.kubernetes.reflect import Change
from kindling.model.peer import UNKNOWN_POD, Peer

NOW = 1_700_000_000.0
NUMBERS = (1, 2)
SHARED = "198.51.100.9"

Kind = type[AnyObject]


class Event(NamedTuple):
    kind: Kind
    action: str
    """put, delete, or synced: then a list without this object ends."""
    number: int
    variant: int


def made(kind: Kind, number: int, variant: int) -> AnyObject:
    """Objects of one number have one uid; nothing that only one may have is given to two."""
    uid = f"{kind.__name__}{number}"
    metadata: dict[str, Any] = {"name": f"{uid}-{variant % 2}", "namespace": "shop", "uid": uid}
    body: dict[str, Any]
    if kind is Pod:
        host = number == NUMBERS[-1]  # that never changes, nor do ports
        ports = [{"hostPort": 9100}] if host else []
        address = f"192.168.0.{number}" if host else f"10.1.0.{number}"
        spec = {"nodeName": f"Node{number}-0", "hostNetwork": host, "containers": [{"ports": ports}]}
        body = {"spec": spec, "status": {"phase": "Failed" if variant == 3 else "Running", "podIPs": [{"ip": address}]}}
    elif kind is Service:
        port = {"port": 80 + variant % 2, "nodePort": 30_000 + number if variant >= 2 else 0}
        status = {"loadBalancer": {"ingress": [{"ip": SHARED}]}}
        body = {"spec": {"clusterIP": f"10.96.0.{number}", "ports": [port]}, "status": status}
    elif kind is EndpointSlice:
        metadata["labels"] = {"kubernetes.io/service-name": f"Service{1 + variant % 2}-0"}
        target = {"targetRef": {"kind": "Pod", "uid": f"Pod{number}"}} if variant >= 2 else {}
        endpoints = [{"addresses": [each], **target} for each in (f"10.1.0.{number}", f"192.168.0.{number}")]
        body = {"endpoints": endpoints, "ports": [{"port": 8080}]}
    else:
        metadata["name"] = f"{uid}-0"
        addresses = [{"type": "InternalIP", "address": f"192.168.{variant % 2}.{number}"}]
        body = {"spec": {"podCIDRs": [f"10.{variant}.0.0/24"]}, "status": {"addresses": addresses}}
    return msgspec.convert({"metadata": metadata, **body}, kind)


KINDS: tuple[Kind, ...] = (Pod, Service, EndpointSlice, Node)
_events = st.lists(
    st.builds(
        Event,
        st.sampled_from(KINDS),
        st.sampled_from(["put", "put", "put", "delete", "synced"]),
        st.sampled_from(NUMBERS),
        st.integers(0, 3),
    ),
    max_size=25,
)
QUESTIONS = list(
    product(
        [f"{start}{number}" for start in ("10.1.0.", "10.96.0.", "192.168.0.", "192.168.1.") for number in NUMBERS]
        + [SHARED, "10.3.0.7"],
        (80, 81, 8080, 9100, 30_001, 30_002),
    )
)


def answers(cluster: Cluster) -> dict[tuple[str, int], tuple[Peer | None, tuple[str, ...]]]:
    cluster.refresh(NOW + 100)
    found = {}
    for address, port in QUESTIONS:
        peer = cluster.peer(address, port, "tcp", NOW + 100)
        known = None if peer is UNKNOWN_POD else peer
        found[address, port] = known, cluster.backends.of("10.9.9.9", address, port, "tcp")
    return found


@given(_events)
def test_what_is_known_is_the_last_state(events: list[Event]) -> None:
    cluster = Cluster(node="Node1-0")
    state: dict[Kind, dict[str, AnyObject]] = {kind: {} for kind in KINDS}
    for at, event in enumerate(events):
        there, found = state[event.kind], made(event.kind, event.number, event.variant)
        uid = found.metadata.uid
        if event.action == "put":
            there[uid] = found
            cluster.apply(event.kind, Change("put", found), NOW + at)
            continue
        there.pop(uid, None)
        change = Change("delete", found) if event.action == "delete" else Change("synced", uids=frozenset(there))
        cluster.apply(event.kind, change, NOW + at)
    fresh = Cluster(node="Node1-0")
    for kind in KINDS:
        for each in state[kind].values():
            fresh.apply(kind, Change("put", each), NOW)
    assert answers(cluster) == answers(fresh)
    for kind in KINDS:
        cluster.apply(kind, Change("synced"), NOW + 90)
    assert set(answers(cluster).values()) == {(None, ())}
