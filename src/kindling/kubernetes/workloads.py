"""The workload behind a pod, from its owner references alone: neither ReplicaSets nor Jobs are watched.

A ReplicaSet of a Deployment is named DEPLOYMENT-HASH, its pods bear the hash as a label; a Job of a CronJob is named
CRONJOB-MINUTES, minutes since 1970 (pkg/controller/cronjob/utils.go of Kubernetes).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from kindling.kubernetes.objects import Metadata, OwnerReference

_OF_CRONJOB: Final = re.compile(r"^(?P<name>.+)-(?P<minutes>[0-9]{8})$")


class Controller(NamedTuple):
    kind: str
    """Lower case, as the contract wants workload_kind: deployment, daemonset, cronjob, job, pod, rollout ..."""
    name: str


def controller_of(metadata: Metadata, node: str = "") -> Controller:
    """`node`: where the pod runs; static pods are named after it."""
    labels = metadata.labels
    annotations = metadata.annotations
    owner = _controlling(metadata.owner_references or [])
    if (annotations and annotations.mirror) or (owner and owner.kind == "Node"):
        return Controller("pod", metadata.name.removesuffix(f"-{node}") if node else metadata.name)
    if owner is None:
        return Controller("pod", metadata.name)
    if owner.kind == "ReplicaSet" and labels:
        if labels.rollout_hash and owner.name.endswith(f"-{labels.rollout_hash}"):
            return Controller("rollout", owner.name.removesuffix(f"-{labels.rollout_hash}"))
        if labels.template_hash and owner.name.endswith(f"-{labels.template_hash}"):
            return Controller("deployment", owner.name.removesuffix(f"-{labels.template_hash}"))
    if owner.kind == "Job":
        scheduled = _OF_CRONJOB.match(owner.name)
        if scheduled:
            return Controller("cronjob", scheduled["name"])
    return Controller(owner.kind.lower(), owner.name)


def _controlling(owners: list[OwnerReference]) -> OwnerReference | None:
    for owner in owners:
        if owner.controller:
            return owner
    return owners[0] if owners else None
