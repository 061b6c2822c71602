"""Cgroups of our own, named as kubelet and container runtimes name them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from kindling.identity.cgroups import cgroup2_root

Driver = Literal["systemd", "cgroupfs"]
Qos = Literal["", "burstable", "besteffort"]
"""Class of a pod; "" stands for guaranteed."""

#: Seconds after which a cgroup whose processes were ended must be empty.
_PATIENCE = 5.0


@contextmanager
def cgroup(path: str, root: Path | None = None) -> Iterator[Path]:
    """A cgroup below the root of v2 (or of another hierarchy), with all above it that were not there.

    A process that writes its pid to `cgroup.procs` is in it.
    """
    root = root or _unified()
    steps = path.strip("/").split("/")
    made = [root.joinpath(*steps[: n + 1]) for n in range(len(steps))]
    new = [folder for folder in made if not folder.exists()]
    for folder in new:
        folder.mkdir()
    try:
        yield made[-1]
    finally:
        for folder in reversed(new):
            _remove(folder)


def v1_root(name: str = "pids") -> Path | None:
    """Where a hierarchy of cgroup v1 is mounted; None on hosts that have none."""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, folder, kind, options, *_ = line.split(" ")
        if kind == "cgroup" and name in options.split(","):
            return Path(folder)
    return None


def pod_path(uid: str, driver: Driver, qos: Qos) -> str:
    """Of a pod (pkg/kubelet/cm/cgroup_manager_linux.go and qos_container_manager_linux.go of Kubernetes).

    With systemd a slice's name repeats the names of those above it, and a dash in a uid would be one more level.
    """
    if driver == "cgroupfs":
        return "/".join(["kubepods", *([qos] if qos else []), f"pod{uid}"])
    slices = ["kubepods", *([f"kubepods-{qos}"] if qos else [])]
    slices.append(f"{slices[-1]}-pod{uid.replace('-', '_')}")
    return "/".join(f"{each}.slice" for each in slices)


def container_path(pod: str, identity: str, driver: Driver) -> str:
    """As containerd names it."""
    return f"{pod}/cri-containerd-{identity}.scope" if driver == "systemd" else f"{pod}/{identity}"


def _unified() -> Path:
    root = cgroup2_root(Path("/proc/mounts").read_text(encoding="utf-8"))
    assert root is not None, "cgroup v2 is not mounted"
    return root


def _remove(folder: Path) -> None:
    """What still runs in it, after a failure, is ended; processes leave their cgroup a moment later."""
    end = time.monotonic() + _PATIENCE
    for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
