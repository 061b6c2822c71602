"""Who is at an end of a connection, as labels: the one place where they are made."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from kindling.model import FlowRow, Peer, Workload

_REMEMBERED: Final = 16_384


class Side(NamedTuple):
    """All labels of an end but its address. Equal for ends that are shown alike, so that keys of series have it."""

    node: str = ""
    namespace: str = ""
    workload_kind: str = ""
    workload_name: str = ""
    service: str = ""
    pod: str = ""
    container: str = ""
    container_id: str = ""

    def at(self, ip: str) -> dict[str, str]:
        """As labels, with an address; the caller adds the prefix."""
        return {**self._asdict(), "ip": ip}


UNKNOWN: Final = Side()
"""Nobody of this host or its cluster, as far as is known."""


def here(workload: Workload, node: str, service: str = "") -> Side:
    """An end on this host. `service`: for which its endpoint answers."""
    return Side(
        node,
        workload.namespace,
        workload.kind,
        workload.name,
        service,
        workload.pod,
        workload.container,
        workload.container_id,
    )


def side(workload: Workload, node: str, ip: str, service: str = "") -> dict[str, str]:
    """Labels of an end on this host; the caller adds the prefix."""
    return here(workload, node, service).at(ip)


@lru_cache(_REMEMBERED)
def there(peer: Peer | None) -> Side:
    """A remote end, by what the cluster says of it."""
    if peer is None:
        return UNKNOWN
    return Side(peer.node, peer.namespace, peer.workload_kind, peer.workload_name, peer.service, peer.pod)


def behind(ip: str, port: int, peer: Peer | None) -> tuple[str, int]:
    """Address and port of the pod that answers, where that is known of a service; else those that were called."""
    return (peer.backend_ip, peer.backend_port) if peer is not None and peer.backend_ip else (ip, port)


def translated(ip: str, port: int, peer: Peer | None) -> dict[str, str]:
    """Labels of where a call of a service went, if that is known and another address or port."""
    target = behind(ip, port, peer)
    return {} if target == (ip, port) else {"dnat_ip": target[0], "dnat_port": str(target[1])}


class Endpoints:
    """Which workload of this host answers at an address and port.

    An address that two workloads serve (127.0.0.1:80 in two network namespaces) belongs to none.
    """

    def __init__(self, node: str = "") -> None:
        self._node = node
        self._served: dict[tuple[str, int], Workload | None] = {}

    def __len__(self) -> int:
        return len(self._served)

    def learn(self, flows: Iterable[FlowRow]) -> set[tuple[str, int]]:
        """Endpoints whose answer has changed: labels that were rendered with it are old."""
        served: dict[tuple[str, int], Workload | None] = {}
        for row in flows:
            flow = row.labels
            if flow.role != "server":
                continue
            key = (flow.local_ip, flow.port)
            known = served.setdefault(key, flow.workload)
            if known is not flow.workload and known != flow.workload:
                served[key] = None
        if served == self._served:
            return set()
        before, self._served = self._served, served
        return {key for key in before.keys() | served.keys() if before.get(key) != served.get(key)}

    def there(self, ip: str, port: int, peer: Peer | None) -> Side:
        """A remote end: with its container, when it is on this host; else what the cluster says of it."""
        workload = self._served.get(behind(ip, port, peer))
        if workload is None or (peer is not None and not self._agree(workload, peer)):
            return there(peer)
        return here(workload, self._node, peer.service if peer else "")

    def _agree(self, workload: Workload, peer: Peer) -> bool:
        """Whoever answered at a pod's address before may have been another pod. At a node's own socket knows best."""
        if peer.kind == "node":
            return peer.node == self._node
        return bool(peer.pod) and (workload.namespace, workload.pod) == (peer.namespace, peer.pod)
