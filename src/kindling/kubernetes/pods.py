"""Pods: by address, by container, by uid."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kindling.kubernetes.claims import Claims
from kindling.kubernetes.hostports import HostPorts, host_ports
from kindling.kubernetes.objects import ContainerStatus, Pod
from kindling.kubernetes.workloads import Controller, controller_of

_ENDED: Final = ("Succeeded", "Failed")
_KEPT: Final = 2_048
"""Pods that are gone and whose last data may still come."""
_ID: Final = 12
"""Characters of a container's id, of 64, that tell it from others on a node."""


@dataclass(frozen=True, slots=True)
class KnownPod:
    namespace: str
    name: str
    uid: str
    node: str
    controller: Controller
    host_network: bool
    addresses: tuple[str, ...]
    observed: bool = True


@dataclass(frozen=True, slots=True)
class KnownContainer:
    pod: KnownPod
    name: str


class Pods:
    """`node`: containers are kept of the pods of this node only; "" for all."""

    def __init__(self, node: str = "") -> None:
        self._node = node
        self._by_uid: dict[str, KnownPod] = {}
        self._gone: OrderedDict[str, KnownPod] = OrderedDict()
        self._containers: dict[str, KnownContainer] = {}
        self._gone_containers: OrderedDict[str, KnownContainer] = OrderedDict()
        self._claims: Claims[KnownPod] = Claims()
        self._host_ports = HostPorts()
        self._changed_nodes: set[str] = set()
        self._static: dict[str, str] = {}
        """Uids by the ones that kubelet gave static pods: the API server has other ones for them."""
        self._unobserved: dict[str, tuple[str, str]] = {}

    def put(self, pod: Pod, now: float) -> None:
        known = _known(pod)
        before = self._by_uid.get(known.uid)
        if before == known:
            known = before
        self._by_uid[known.uid] = known
        self._gone.pop(known.uid, None)
        self._note(pod, known)
        if not self._node or known.node == self._node:
            self._put_containers(pod, known)
        ports = host_ports(pod)
        if before is not known and (ports or known.host_network):
            self._changed_nodes.add(known.node)
        if pod.status.phase in _ENDED:
            self._release(known, now)
            return
        since = _unix(pod.status.start_time) or now
        self._host_ports.put(known, ports, since)
        if known.host_network:
            return
        for address in known.addresses:
            self._claims.claim(address, known.uid, known, since)
        if before:
            for address in set(before.addresses) - set(known.addresses):
                self._claims.release(address, known.uid, now)

    def delete(self, uid: str, now: float) -> None:
        known = self._by_uid.pop(uid, None)
        if known is None:
            return
        self._release(known, now)
        self._gone[uid] = known
        for container in [key for key, value in self._containers.items() if value.pod.uid == uid]:
            self._gone_containers[container] = self._containers.pop(container)
        for book in (self._gone, self._gone_containers):
            while len(book) > _KEPT:
                forgotten, _ = book.popitem(last=False)
                self._unobserved.pop(forgotten, None)
        if len(self._static) > _KEPT:
            self._static = {kubelets: uid for kubelets, uid in self._static.items() if self.by_uid(uid)}

    def keep_only(self, uids: frozenset[str], now: float) -> None:
        """After a list: what is not in it is gone, though its deletion was not seen."""
        for uid in [uid for uid in self._by_uid if uid not in uids]:
            self.delete(uid, now)

    def by_uid(self, uid: str) -> KnownPod | None:
        """`uid`: of the API server or, for static pods, of kubelet."""
        uid = self._static.get(uid, uid)
        return self._by_uid.get(uid) or self._gone.get(uid)

    def by_container(self, container: str) -> KnownContainer | None:
        """`container`: the runtime's id, or its first 12 characters."""
        container = container[:_ID]
        return self._containers.get(container) or self._gone_containers.get(container)

    @property
    def unobserved(self) -> Collection[tuple[str, str]]:
        """Namespace and name of the pods that an annotation excludes."""
        return self._unobserved.values()

    def at(self, address: str, when: float) -> KnownPod | None:
        return self._claims.at(address, when)

    def told_apart(self, uid: str) -> bool:
        """Whether a pod has an address of its own; False where it is not known (yet)."""
        pod = self._by_uid.get(uid)
        return pod is not None and not pod.host_network

    def on_node(
        self, node: str, address: str, port: int, transport: str, when: float, listed: Collection[str] = ()
    ) -> KnownPod | None:
        """The only pod that answers at a port of a node, by its own word or by that of whoever lists its uid.

        None: nobody says so, or several do.
        """
        found = self._host_ports.at(node, address, port, transport, when)
        for uid in listed:
            pod = self._by_uid.get(uid)
            if pod and pod.host_network and pod.node == node:
                found[uid] = pod
        return next(iter(found.values())) if len(found) == 1 else None

    def knows(self, address: str) -> bool:
        """Whether a pod has the address, or had it a while ago."""
        return self._claims.known(address)

    def take_changed(self) -> set[str]:
        """Addresses that another pod has, or none any more, since the last call."""
        return self._claims.take_changed()

    def take_changed_nodes(self) -> set[str]:
        """Nodes of which a port may be another pod's, since the last call."""
        changed, self._changed_nodes = self._changed_nodes, set()
        return changed

    def expire(self, before: float) -> None:
        self._claims.expire(before)
        self._host_ports.expire(before)

    def __len__(self) -> int:
        return len(self._by_uid)

    def _release(self, pod: KnownPod, now: float) -> None:
        if self._host_ports.release(pod.uid, now) or pod.host_network:
            self._changed_nodes.add(pod.node)
        for address in pod.addresses:
            self._claims.release(address, pod.uid, now)

    def _note(self, pod: Pod, known: KnownPod) -> None:
        annotations = pod.metadata.annotations
        if annotations and annotations.mirror:
            self._static[annotations.mirror] = known.uid
        if known.observed:
            self._unobserved.pop(known.uid, None)
        else:
            self._unobserved[known.uid] = (known.namespace, known.name)

    def _put_containers(self, pod: Pod, known: KnownPod) -> None:
        status = pod.status
        for group in (status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses):
            for container in group or ():
                identity = container_identity(container)
                if identity:
                    self._containers[identity] = KnownContainer(known, container.name)


def container_identity(container: ContainerStatus) -> str:
    """The id, as far as it is looked at, without the runtime before it: containerd://ID."""
    return container.container_id.rpartition("://")[2][:_ID]


def _known(pod: Pod) -> KnownPod:
    metadata, status = pod.metadata, pod.status
    addresses = [each.ip for each in status.pod_ips or () if each.ip] or ([status.pod_ip] if status.pod_ip else [])
    annotations = metadata.annotations
    return KnownPod(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        node=pod.spec.node_name,
        controller=controller_of(metadata, pod.spec.node_name),
        host_network=pod.spec.host_network,
        addresses=tuple(addresses),
        observed=not (annotations and annotations.observe == "false"),
    )


def _unix(text: str | None) -> float:
    """Of an RFC 3339 time; 0 where there is none."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0
