"""Who is behind an address of a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

PeerKind = Literal["pod", "service", "node"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A pod, a service (which pod answers is not known), or a node. Fields that do not apply are empty."""

    kind: PeerKind
    namespace: str = ""
    workload_kind: str = ""
    """deployment, daemonset, statefulset, cronjob, job, pod ...; service, node."""
    workload_name: str = ""
    pod: str = ""
    service: str = ""
    node: str = ""
    node_ip: str = field(default="", compare=False)
    """The node's own address: its InternalIP."""


UNKNOWN_POD: Final = Peer("pod")
"""A pod had the address a while ago; who has it now is not known (yet). No name is better than an old one."""
