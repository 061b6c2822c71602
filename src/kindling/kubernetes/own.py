"""The pods of this node, as `kindling.identity` asks for them, and those that want not to be shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.pods import KnownContainer
from kindling.model.workload import Workload

_PATIENCE: Final = 5.0
"""A connection to the API server that breaks is mostly made anew within that."""


class OwnPods:
    """Satisfies `kindling.identity.pods.Pods`."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.time) -> None:
        self._cluster = cluster
        self._clock = clock

    @property
    def changes(self) -> int:
        return self._cluster.version

    @property
    def hopeful(self) -> bool:
        long = self._clock() - _PATIENCE
        return not any(0 < health.failing_since < long for health in self._cluster.health().values())

    def workload(self, container_id: str, pod_uid: str) -> Workload | None:
        found = self._cluster.container(container_id, pod_uid)
        return workload_of(found) if found else None

    def at(self, address: str, when: float) -> Workload | None:
        pod = self._cluster.pods.at(address, when)
        here = pod and self._cluster.node in {"", pod.node}
        return workload_of(KnownContainer(pod, "")) if pod and here else None

    def unobserved(self) -> Collection[tuple[str, str]]:
        """Namespace and name of the pods that an annotation excludes."""
        return self._cluster.pods.unobserved


def workload_of(found: KnownContainer) -> Workload:
    pod = found.pod
    return Workload(
        kind=pod.controller.kind,
        name=pod.controller.name,
        namespace=pod.namespace,
        container=found.name,
        pod=pod.name,
        pod_uid=pod.uid,
    )
