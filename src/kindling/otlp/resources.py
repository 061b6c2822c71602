"""Workloads as OpenTelemetry resources."""

from __future__ import annotations

import os
import uuid
from typing import Final

from kindling.model import Workload
from kindling.otlp.messages import Attributes, resource

#: Of the UUIDs that `service.instance.id` is made from; any constant will do.
_NAMESPACE: Final = uuid.UUID("6c1f7c5e-3f0c-4f6e-9f5a-6b696e646c67")
#: "Kubernetes" of the conventions: each has a name of its own.
_CONTROLLERS: Final = frozenset({"cronjob", "daemonset", "deployment", "job", "replicaset", "statefulset"})


def resource_attributes(workload: Workload, node: str) -> Attributes:
    """Semantic conventions 1.x, "Service", "Host", "Container", "Process", "Kubernetes"."""
    identity = f"{node}\0{workload.kind}\0{workload.namespace}\0{workload.name}\0{workload.container_id}"
    if workload.pod:
        identity += f"\0{workload.pod}\0{workload.container}"
    return {
        "service.name": workload.name or "unknown",
        "service.namespace": workload.namespace,
        "service.instance.id": str(uuid.uuid5(_NAMESPACE, identity.encode("utf-8", "replace").decode())),
        "host.name": node,
        "container.id": workload.container_id,
        "container.name": workload.container,
        "process.executable.name": os.path.basename(workload.exe) or workload.comm,  # noqa: PTH119 -- a string
        "kindling.workload.kind": workload.kind,
        **_kubernetes(workload, node),
    }


def _kubernetes(workload: Workload, node: str) -> Attributes:
    """Of a pod. A controller that the conventions do not know is told by service.name alone."""
    if not workload.pod:
        return {}
    pairs: Attributes = {
        "k8s.namespace.name": workload.namespace,
        "k8s.pod.name": workload.pod,
        "k8s.pod.uid": workload.pod_uid,
        "k8s.container.name": workload.container,
        "k8s.node.name": node,
    }
    return {**pairs, f"k8s.{workload.kind}.name": workload.name} if workload.kind in _CONTROLLERS else pairs


def encoded_resource(workload: Workload, node: str) -> bytes:
    """Field 1 of ResourceMetrics and ResourceSpans."""
    return resource(resource_attributes(workload, node))
