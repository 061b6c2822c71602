"""What is known of the cluster at one moment, and the questions that are asked of it.

Used by the agent's thread alone: reflectors only queue what they learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kindling.kubernetes.backends import Backends
from kindling.kubernetes.nodes import Nodes
from kindling.kubernetes.objects import EndpointSlice, Node, Pod, Service
from kindling.kubernetes.pods import KnownContainer, KnownPod, Pods
from kindling.kubernetes.reflect import Change, Health, Reflector
from kindling.kubernetes.services import KnownService, Services
from kindling.model.peer import UNKNOWN_POD, Peer

if TYPE_CHECKING:
    from kindling.model.labels import FlowLabels

Calls = Mapping[tuple[str, int], Iterable[tuple[str, int]]]

_REMEMBER: Final = 900.0
"""Seconds for which an address's past holders are known."""
_AT_ONCE: Final = 6_000
"""Changes taken in one interval: a first list of a large cluster is spread over several."""
_CALLS_SECONDS: Final = 60.0
"""A balancer's table may be large, and is looked at only where an endpoint answers for several services."""
_OWN: Final = 256
_API_SERVER: Final = "default/kubernetes"


class Cluster:
    def __init__(self, reflectors: Sequence[Reflector[Any]] = (), node: str = "") -> None:
        self.node = node
        self.pods = Pods(node)
        self.services = Services()
        self.nodes = Nodes()
        self.backends = Backends(self.services, self._pod_at, node, self.nodes.ip, self.nodes.at)
        self.version = 0
        """Rises with each change."""
        self.read_calls: Callable[[], Calls] | None = None
        """Asks a balancer in the socket (`Services.learn_calls`)."""
        self._calls_read = 0.0
        self._own: set[str] = set()
        """Addresses of this node that nobody lists, and that were asked for."""
        self._reflectors = reflectors
        self._expired = 0.0

    def refresh(self, now: float) -> int:
        """Take what the reflectors learned; returns how many changes."""
        taken = 0
        for reflector in self._reflectors:
            while reflector.changes and taken < _AT_ONCE:
                self.apply(reflector.resource.kind, reflector.changes.popleft(), now)
                taken += 1
        self.version += taken
        self.backends.learn(now)
        if self.read_calls and now - self._calls_read >= _CALLS_SECONDS:
            self._calls_read = now
            self.services.learn_calls(self.read_calls() if self.services.doubtful else {})
        if now - self._expired >= _REMEMBER / 10:
            self._expired = now
            self.pods.expire(now - _REMEMBER)
        return taken

    @property
    def synced(self) -> bool:
        """All lists were read to their end, and applied."""
        return all(each.health.synced and not each.changes for each in self._reflectors)

    @property
    def whole(self) -> bool:
        """All of the cluster is followed, not this node alone: nobody else has an address of its own in it."""
        return not self._reflectors or any(each.resource.kind is Node for each in self._reflectors)

    def health(self) -> dict[str, Health]:
        return {each.resource.name: each.health for each in self._reflectors}

    def apply(self, kind: type[Any], change: Change, now: float) -> None:
        """Any change, in any order, more than once: none is an error."""
        if kind is Pod:
            self._apply_pod(change, now)
        elif kind is Service:
            self._apply_service(change)
        elif kind is EndpointSlice:
            self._apply_slice(change)
        elif kind is Node:
            self._apply_node(change)

    # --- questions ------------------------------------------------------------------------------

    def container(self, container_id: str, pod_uid: str = "") -> KnownContainer | None:
        """The container of an id; where it is not known (yet), the pod of a uid with a container without name."""
        found = self.pods.by_container(container_id) if container_id else None
        if found or not pod_uid:
            return found
        pod = self.pods.by_uid(pod_uid)
        return KnownContainer(pod, "") if pod else None

    def peer(self, address: str, port: int, transport: str, when: float, client: str = "") -> Peer | None:
        """Who had an address at a time; None: nobody of this cluster. `client`: who calls, for the pod of a service."""
        pod = self.pods.at(address, when)
        if pod:
            return pod_peer(pod, _name(self.services.behind(address, port)), self.nodes.ip(pod.node))
        service = self.services.at(address, port, transport)
        if service and service.has(port, transport):
            return self.backends.peer(service_peer(service), client, address, port, transport)
        node = self.nodes.at(address)
        if node:
            behind = self.services.at_node_port(transport, port)
            if behind:
                return self.backends.peer(service_peer(behind), client, address, port, transport)
            return self._on_node(node, address, port, transport, when)
        if service:
            return service_peer(service)
        if self.services.behind(address, port) == _API_SERVER:
            return Peer("service", "default", "service", "kubernetes", service="kubernetes")
        return UNKNOWN_POD if self.pods.knows(address) or address in self.nodes.pods else None

    def own(self, address: str, port: int, transport: str, when: float) -> Peer | None:
        """Who answers at an address that only this node itself knows of: a virtual one, one of its bridges."""
        if not self.node or not self.whole:
            return None
        if address not in self._own and len(self._own) >= _OWN:
            return node_peer(self.node, node_ip=self.node_ip)
        self._own.add(address)
        behind = self.services.at_node_port(transport, port)
        return service_peer(behind) if behind else self._on_node(self.node, address, port, transport, when)

    def _on_node(self, node: str, address: str, port: int, transport: str, when: float) -> Peer:
        """A node, and the pod that answers at its port, where that is told of one."""
        pod = self._pod_on_node(node, address, port, transport, when)
        return node_peer(node, self.services.behind(address, port), self.nodes.ip(node), pod)

    def _pod_on_node(self, node: str, address: str, port: int, transport: str, when: float) -> KnownPod | None:
        if self.nodes.shared(address):
            return None
        listed = self.services.pods_at(address, port, transport)
        return self.pods.on_node(node, address, port, transport, when, listed)

    def _pod_at(self, endpoint: tuple[str, int], transport: str, when: float) -> KnownPod | None:
        """Which pod is behind an endpoint of a service."""
        address, port = endpoint
        pod = self.pods.at(address, when)
        node = "" if pod else self.nodes.at(address)
        return self._pod_on_node(node, address, port, transport, when) if node else pod

    def saw(self, labels: FlowLabels, opened: int, client_port: int) -> None:
        """A row with a peer counted something: see `Backends.saw`."""
        self.backends.saw(labels, opened, client_port)

    def answering(self, labels: FlowLabels) -> tuple[str, ...]:
        """Who was seen to answer a client of a service."""
        if labels.peer is None or labels.peer.kind != "service":
            return ()
        return self.backends.of(labels.local_ip, labels.remote_ip, labels.port, labels.transport)

    @property
    def node_ip(self) -> str:
        """Of this node, "" while it is not known."""
        return self.nodes.ip(self.node)

    def service(self, address: str, port: int) -> str:
        """For which service an endpoint answers, "" for none."""
        return _name(self.services.behind(address, port))

    def take_changed(self) -> set[str]:
        """Addresses of which `peer` may say another thing than before the last call."""
        changed, ports = self.services.take_changed()
        nodes = self.pods.take_changed_nodes()
        for node in nodes:
            changed |= self.nodes.addresses_of(node)
        if ports or self.node in nodes:
            changed |= self._own
        changed |= self.pods.take_changed() | self.nodes.take_changed() | self.backends.take_changed()
        return changed | self.nodes.addresses if ports else changed

    # --- changes --------------------------------------------------------------------------------

    def _apply_pod(self, change: Change, now: float) -> None:
        if change.action == "synced":
            self.pods.keep_only(change.uids, now)
        elif isinstance(change.object, Pod):
            if change.action == "put":
                self.pods.put(change.object, now)
            else:
                self.pods.delete(change.object.metadata.uid, now)

    def _apply_service(self, change: Change) -> None:
        if change.action == "synced":
            self.services.keep_only(change.uids)
        elif isinstance(change.object, Service):
            if change.action == "put":
                self.services.put(change.object)
            else:
                self.services.delete(change.object.metadata.uid)

    def _apply_slice(self, change: Change) -> None:
        if change.action == "synced":
            self.services.keep_only_slices(change.uids)
        elif isinstance(change.object, EndpointSlice):
            if change.action == "put":
                self.services.put_slice(change.object, self.pods.told_apart)
            else:
                self.services.delete_slice(change.object.metadata.uid)

    def _apply_node(self, change: Change) -> None:
        if change.action == "synced":
            self.nodes.keep_only(change.uids)
        elif isinstance(change.object, Node):
            if change.action == "put":
                self.nodes.put(change.object)
            else:
                self.nodes.delete(change.object.metadata.uid)


def pod_peer(pod: KnownPod, service: str = "", node_ip: str = "") -> Peer:
    kind, name = pod.controller.kind, pod.controller.name
    return Peer("pod", pod.namespace, kind, name, pod.name, service, pod.node, node_ip)


def service_peer(service: KnownService) -> Peer:
    return Peer("service", service.namespace, "service", service.name, service=service.name)


def node_peer(node: str, behind: str = "", node_ip: str = "", pod: KnownPod | None = None) -> Peer:
    """`pod`: who answers there, under the node's address: to policies it is the node."""
    peer = Peer("node", "", "node", node, service=_name(behind), node=node, node_ip=node_ip)
    if pod is None:
        return peer
    kind, name = pod.controller.kind, pod.controller.name
    hosted = pod.host_network
    return replace(
        peer, namespace=pod.namespace, workload_kind=kind, workload_name=name, pod=pod.name, host_network=hosted
    )


def _name(service: str) -> str:
    return service.partition("/")[2]
