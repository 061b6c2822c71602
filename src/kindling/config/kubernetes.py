"""What the agent is told of the cluster it runs in, and which workloads are not to be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from kindling.config.server import NO_FILE
from kindling.errors import SettingError

KubernetesMode = Literal["off", "auto", "cluster", "node"]

#: RFC 1123, as the API server asks of the name of a node.
_NODE: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NODE_MAX: Final = 253
#: RFC 1123 with the signs of fnmatch(3).
_NAMESPACE: Final = re.compile(r"[-a-z0-9.*?\[\]!]+")
_POD: Final = re.compile(rf"{_NAMESPACE.pattern}/{_NAMESPACE.pattern}")
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Selection:
    """Pods and ports. Whatever does not run in a pod has a port only."""

    namespaces: tuple[str, ...] = ()
    """Of pods: `shop`, `team-*`."""
    pods: tuple[str, ...] = ()
    """`NAMESPACE/NAME`: `shop/web-*`, `*/debug`."""
    ports: tuple[int, ...] = ()
    """Of the service: the remote port of a client, the local one of a server."""

    def __post_init__(self) -> None:
        for namespace in self.namespaces:
            if not _NAMESPACE.fullmatch(namespace):
                raise SettingError(f"{namespace!r} is not the name of a namespace.", hint="Write `shop` or `team-*`.")
        for pod in self.pods:
            if not _POD.fullmatch(pod):
                raise SettingError(f"{pod!r} is not the name of a pod.", hint="Write NAMESPACE/NAME: `shop/web-*`.")
        for port in self.ports:
            if not 0 <= port <= _PORT_MAX:
                raise SettingError(f"{port} is not a port.")


@dataclass(frozen=True, slots=True)
class Include(Selection):
    """Show only pods and ports that are named here; an empty list names all. What does not run in a pod is always
    shown, as far as its port is.
    """


@dataclass(frozen=True, slots=True)
class Exclude(Selection):
    """Do not show these, whatever `kubernetes.include` says. The same does the annotation
    `kindling.io/observe: "false"` of a pod.
    """


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """Names of pods, services and nodes, from the API server. See docs/kubernetes.md."""

    mode: KubernetesMode = "auto"
    """`cluster`: all pods, services and nodes get their names. `node`: only the pods of this node, remote addresses
    stay addresses; one small watch per node. `off`: nothing is asked. `auto`: `cluster` in a pod with a service account
    or where a kubeconfig is named, else `off`."""
    kubeconfig: Path = NO_FILE
    """Says where the API server is; without, the service account of the agent's pod does."""
    context: str = ""
    """Of the kubeconfig; without, its current one."""
    node: str = ""
    """Name of the node, for the `node` labels of metrics, alerts and OTLP; without, the host name. In a pod that is
    the pod's name. The DaemonSet of `deploy/` sets it."""
    include: Include = field(default_factory=Include)
    exclude: Exclude = field(default_factory=Exclude)

    def __post_init__(self) -> None:
        if self.node and (len(self.node) > _NODE_MAX or not _NODE.fullmatch(self.node)):
            raise SettingError(
                f"{self.node!r} is not the name of a node.", hint="Write it as `kubectl get nodes` shows it."
            )
        if self.mode == "node" and not self.node:
            raise SettingError(
                "kubernetes.mode is `node`, but which one is not said.",
                hint="Set kubernetes.node as `kubectl get nodes` shows it.",
            )
        if self.context and self.kubeconfig == NO_FILE:
            raise SettingError("A context was named without its kubeconfig.", hint="Set kubernetes.kubeconfig.")
