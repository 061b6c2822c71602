"""What the path of a cgroup tells: the container or the systemd unit.

Names of paths, by runtime and cgroup driver (cgroupfs / systemd):
    Docker      /docker/ID                          docker-ID.scope
    containerd  /kubepods/burstable/podUID/ID       cri-containerd-ID.scope
                /NAMESPACE/ID (ctr, nerdctl)        nerdctl-ID.scope; SLICE:cri-containerd:ID (k3s)
    CRI-O       /kubepods/.../crio-ID               crio-ID.scope
    Podman      /libpod_parent/libpod-ID            libpod-ID.scope
    LXC         /lxc/NAME, /lxc.payload.NAME
    nspawn                                          machine-NAME.scope, systemd-nspawn@NAME.service
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ID: Final = re.compile(r"(?:^|[-:_.])(?P<id>[0-9a-f]{64})(?:\.scope)?$")
_LXC: Final = re.compile(r"^lxc\.payload\.(?P<name>.+)$")
_MACHINE: Final = re.compile(r"^(?:machine-(?P<scope>.+)\.scope|systemd-nspawn@(?P<service>.+)\.service)$")

#: A runtime's own helper processes live in a scope that carries the id of the container they watch.
_HELPERS: Final = ("libpod-conmon-", "crio-conmon-")

_RUNTIMES: Final = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
}

#: Managers of sessions are no workloads: what counts is the program in them.
_MANAGERS: Final = re.compile(r"^user@[0-9]+\.service$")
_USER: Final = re.compile(r"/user-(?P<uid>[0-9]+)\.slice/")
_ESCAPED: Final = re.compile(r"\\x([0-9a-f]{2})")
_ID_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Container:
    runtime: str
    """One of docker, containerd, cri-o, podman, lxc, nspawn; "" where the path does not say."""
    id: str
    """Full id; for LXC and nspawn, the name."""
    user: str = ""
    """Number of the user whose runtime without root made it, "" for the host's own runtime."""

    @property
    def short_id(self) -> str:
        return self.id[:_ID_SHORT]


def container_of(path: str) -> Container | None:
    """The innermost container of a cgroup's path."""
    parts = path.split("/")
    for at in range(len(parts) - 1, 0, -1):
        part = parts[at]
        if part.startswith(_HELPERS):
            return None
        found = _ID.search(part)
        if found:
            user = _USER.search(path)
            return Container(_runtime(part, parts[at - 1], path), found["id"], user["uid"] if user else "")
        if parts[at - 1] == "lxc" or parts[at - 1] == "lxc.payload":
            return Container("lxc", part)
        payload = _LXC.match(part)
        if payload:
            return Container("lxc", payload["name"])
        machine = _MACHINE.match(part)
        if machine:
            return Container("nspawn", _unescape(machine["scope"] or machine["service"]))
    return None


def unit_of(path: str) -> str:
    """The innermost service of a cgroup's path; "" for sessions and what systemd does not manage."""
    for part in reversed(path.split("/")):
        if part.endswith(".service") and not _MANAGERS.match(part):
            return _unescape(part)
    return ""


def _runtime(part: str, above: str, path: str) -> str:
    for prefix, runtime in _RUNTIMES.items():
        if part.startswith(f"{prefix}-") or f":{prefix}:" in part:
            return runtime
    if above == "docker":
        return "docker"
    return "containerd" if "kubepods" in path else ""


def _unescape(name: str) -> str:
    """systemd.unit(5): characters that paths and names cannot hold are written as backslash, x, two digits."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
