"""The uid of the pod that a cgroup belongs to, from its path.

    cgroupfs driver   /kubepods/burstable/pod8f2c6a1e-.../ID
    systemd driver    /kubepods.slice/kubepods-pod8f2c6a1e_....slice/cri-containerd-ID.scope

(pkg/kubelet/cm/cgroup_manager_linux.go and pod_container_manager_linux.go of Kubernetes). Static pods have the hash of
their manifest for a uid: 32 digits.
"""

from __future__ import annotations

import re
from typing import Final

_POD: Final = re.compile(
    r"(?:^|/|-)pod(?P<uid>[0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?(?:/|$)"
)


def pod_uid_of(path: str) -> str:
    """Uid as the API server writes it, "" where the path is of no pod."""
    if "pod" not in path:
        return ""
    found = _POD.search(path)
    return found["uid"].replace("_", "-") if found else ""
