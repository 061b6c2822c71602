"""API objects, only the fields that are used: what is not named here is skipped by the decoder and never kept.

Field names: the Kubernetes API reference, core/v1 and discovery.k8s.io/v1.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field


class OwnerReference(Struct, gc=False):
    kind: str = ""
    name: str = ""
    controller: bool | None = False


class Labels(Struct, gc=False):
    template_hash: str = field(name="pod-template-hash", default="")
    rollout_hash: str = field(name="rollouts-pod-template-hash", default="")
    service: str = field(name="kubernetes.io/service-name", default="")


class Annotations(Struct, gc=False):
    observe: str = field(name="kindling.io/observe", default="")
    """With the value false, connections of the pod are not shown."""
    mirror: str = field(name="kubernetes.io/config.mirror", default="")
    """Of static pods only."""


class Metadata(Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    owner_references: list[OwnerReference] | None = None
    labels: Labels | None = None
    annotations: Annotations | None = None


class ContainerPort(Struct, gc=False, rename="camel"):
    host_port: int = 0
    """On the node; 0 for none."""
    host_ip: str = field(name="hostIP", default="")
    protocol: str = "TCP"


class Container(Struct, gc=False):
    ports: list[ContainerPort] | None = None


class PodSpec(Struct, gc=False, rename="camel"):
    node_name: str = ""
    host_network: bool = False
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class ContainerStatus(Struct, gc=False, rename="camel"):
    name: str = ""
    container_id: str = field(name="containerID", default="")
    """RUNTIME://ID"""


class PodIp(Struct, gc=False):
    ip: str = ""


class PodStatus(Struct, gc=False, rename="camel"):
    phase: str = ""
    start_time: str | None = None
    pod_ip: str = field(name="podIP", default="")
    pod_ips: list[PodIp] | None = field(name="podIPs", default=None)
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Pod(Struct, gc=False):
    metadata: Metadata
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)


class ServicePort(Struct, gc=False, rename="camel"):
    name: str | None = None
    port: int = 0
    node_port: int = 0
    protocol: str = "TCP"


class ServiceSpec(Struct, gc=False, rename="camel"):
    cluster_ip: str = field(name="clusterIP", default="")
    cluster_ips: list[str] | None = field(name="clusterIPs", default=None)
    external_ips: list[str] | None = field(name="externalIPs", default=None)
    ports: list[ServicePort] | None = None


class Ingress(Struct, gc=False):
    ip: str = ""
    """Empty where the load balancer has a name instead."""


class LoadBalancer(Struct, gc=False):
    ingress: list[Ingress] | None = None


class ServiceStatus(Struct, gc=False, rename="camel"):
    load_balancer: LoadBalancer = field(default_factory=LoadBalancer)


class Service(Struct, gc=False):
    metadata: Metadata
    spec: ServiceSpec = field(default_factory=ServiceSpec)
    status: ServiceStatus = field(default_factory=ServiceStatus)


class Reference(Struct, gc=False):
    kind: str = ""
    uid: str = ""


class Endpoint(Struct, gc=False, rename="camel"):
    addresses: list[str] | None = None
    target_ref: Reference | None = None


class EndpointPort(Struct, gc=False):
    name: str | None = None
    """That of the service's port."""
    port: int | None = None
    protocol: str | None = "TCP"


class EndpointSlice(Struct, gc=False):
    metadata: Metadata
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class NodeAddress(Struct, gc=False):
    type: str = ""
    address: str = ""


class NodeSpec(Struct, gc=False, rename="camel"):
    pod_cidrs: list[str] | None = field(name="podCIDRs", default=None)


class NodeStatus(Struct, gc=False):
    addresses: list[NodeAddress] | None = None


class Node(Struct, gc=False):
    metadata: Metadata
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


class ListMetadata(Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = field(name="continue", default="")


class Listing(Struct, gc=False):
    """A page of a list; its items are decoded one by one, so that none that is odd spoils the others."""

    metadata: ListMetadata = field(default_factory=ListMetadata)
    items: list[msgspec.Raw] | None = None


class WatchEvent(Struct, gc=False):
    type: str
    object: msgspec.Raw


class Status(Struct, gc=False):
    """What the API server says when it refuses (meta/v1 Status)."""

    code: int = 0
    reason: str = ""
    message: str = ""


class Bookmark(Struct, gc=False):
    metadata: Metadata


AnyObject = Pod | Service | EndpointSlice | Node

DecodeError = msgspec.DecodeError


def decode(data: bytes | msgspec.Raw, kind: type[Any]) -> Any:
    """Raises DecodeError where a field that is used has another type than the API promises."""
    return msgspec.json.decode(data, type=kind)
