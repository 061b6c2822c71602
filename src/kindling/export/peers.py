"""Who is at an end of a connection, as labels."""

from __future__ import annotations

from collections.abc import Iterable

from kindling.model import FlowRow, Workload


def side(workload: Workload, node: str, ip: str) -> dict[str, str]:
    """Labels of an end that is on this host; the caller adds the prefix."""
    return {
        "node": node,
        "namespace": workload.namespace,
        "workload_kind": workload.kind,
        "workload_name": workload.name,
        "container": workload.container,
        "container_id": workload.container_id,
        "ip": ip,
    }


class Endpoints:
    """Which workload of this host answers at an address and port.

    An address that two workloads serve (127.0.0.1:80 in two network namespaces) belongs to none.
    """

    def __init__(self) -> None:
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

    def side(self, ip: str, port: int, node: str) -> dict[str, str]:
        """Labels of a remote end: all that is known when it is on this host, else its address."""
        workload = self._served.get((ip, port))
        return side(workload, node, ip) if workload else {"ip": ip}
