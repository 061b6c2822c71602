"""Who is behind an address of a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

PeerKind = Literal["pod", "service", "node"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A pod, a service, or a node. Fields that do not apply are empty.

    Of a service: the pod that answers, its workload and its node, if that is known for this client.
    """

    kind: PeerKind
    namespace: str = ""
    workload_kind: str = ""
    """deployment, daemonset, statefulset, cronjob, job, pod ...; node; service, where no pod behind it is known."""
    workload_name: str = ""
    pod: str = ""
    service: str = ""
    node: str = ""
    node_ip: str = field(default="", compare=False)
    """The node's own address: its InternalIP."""
    backend_ip: str = ""
    """Address of the pod behind a service."""
    backend_port: int = 0
    host_network: bool = False
    """The pod, or that behind the service, has the address of its node."""


UNKNOWN_POD: Final = Peer("pod")
"""A pod has the address, or had it a while ago; which one is not known (yet). No name is better than an old one."""
