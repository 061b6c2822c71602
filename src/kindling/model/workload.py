"""Who opened a socket."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Workload:
    """The controller of a pod, a container, a systemd unit, or else a process by its name.

    Two workloads are the same when kind, name, namespace, container and pod are. The other
    fields tell of the first process that was seen; they are shown, never labels.
    """

    kind: str
    """process, unit, container, unknown; of a pod that of its controller: deployment, cronjob, pod ..."""
    name: str
    namespace: str = ""
    container: str = ""
    pod: str = ""
    container_id: str = field(default="", compare=False)
    """First 12 characters."""
    pod_uid: str = field(default="", compare=False)
    """As the API server writes it; of static pods that it does not know yet, as kubelet does."""
    pid: int = field(default=0, compare=False)
    comm: str = field(default="", compare=False)
    exe: str = field(default="", compare=False)
    inferred: bool = field(default=False, compare=False)
    """Found out after the socket was opened, because it is older than the agent."""


UNKNOWN = Workload(kind="unknown", name="unknown")
OTHER = Workload(kind="unknown", name="other")
"""What found no free slot in the probe's tables."""
