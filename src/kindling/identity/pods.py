"""The pods of this node: what is asked about them, and what that makes of a workload."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

from kindling.model.workload import Workload

#: Kinds of those that no controller is known of.
_UNTOLD: Final = frozenset({"container", "unit", "process", "unknown"})
#: Kinds of those whose cgroup tells nothing, or is not known.
_PLACELESS: Final = frozenset({"process", "unknown"})


class Pods(Protocol):
    """What somebody knows of pods. `kindling.kubernetes.own` does."""

    @property
    def changes(self) -> int:
        """Rises when another answer may be given than before."""
        ...

    @property
    def hopeful(self) -> bool:
        """Whether what is not known now may be known in seconds. Not so while nobody can be asked."""
        ...

    def workload(self, container_id: str, pod_uid: str) -> Workload | None:
        """What controls the pod of a container (the first 12 characters of its id do), else that of a uid.

        Its `container` is "" while the name is not known, or where there is no container. None: no such pod is known.
        """
        ...

    def at(self, address: str, when: float) -> Workload | None:
        """What controls the pod of this node that had an address of its own at a time (unix seconds)."""
        ...


class InPods:
    """Gives those in pods the names of their pods. Satisfies `kindling.table.owners.Late`."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    @property
    def changes(self) -> int:
        return self._pods.changes

    def again(self, workload: Workload) -> Workload:
        """The same, as the pod's controller is known now."""
        if not _contained(workload):
            return workload
        found = self._pods.workload(workload.container_id, workload.pod_uid)
        return _as(found, workload) if found else workload

    def at(self, workload: Workload, address: str, when: float) -> Workload:
        """The same, where a process used a pod's own address: only what runs in the pod can. Its cgroup was gone before
        anybody looked: a container that ran for a moment.
        """
        found = self._pods.at(address, when) if workload.kind in _PLACELESS else None
        return _as(found, workload) if found else workload

    def placeless(self, workload: Workload) -> bool:
        """Whether only its address can tell its pod, and somebody can be asked."""
        return workload.kind in _PLACELESS and self._pods.hopeful

    def final(self, workload: Workload) -> bool:
        """Whether it is in no pod, or pod and container are known by name."""
        if not _contained(workload):
            return True
        unnamed = bool(workload.container_id) and workload.container == workload.container_id
        return workload.kind not in _UNTOLD and not unnamed

    def expected(self, workload: Workload) -> bool:
        """Whether it surely is in a pod, and somebody can be asked."""
        return bool(workload.pod_uid) and self._pods.hopeful and not self.final(workload)


def _as(found: Workload, workload: Workload) -> Workload:
    return replace(
        found,
        container=found.container or workload.container,
        container_id=workload.container_id,
        pid=workload.pid,
        comm=workload.comm,
        exe=workload.exe,
        inferred=workload.inferred,
    )


def _contained(workload: Workload) -> bool:
    return bool(workload.container_id or workload.pod_uid)
