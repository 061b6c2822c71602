"""Names of containers, from the files that their runtimes keep: no daemon is asked, no socket opened."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kindling.identity.cgroup import Container

_CONTAINERD: Final = "run/containerd/io.containerd.runtime.v2.task"
_DOCKER: Final = ("var/lib/docker", "var/snap/docker/common/var-lib-docker")
_STORAGES: Final = ("run/containers/storage", "var/lib/containers/storage")
#: The same of a runtime without root, below the user's home.
_USER_DOCKER: Final = ".local/share/docker"
_USER_STORAGE: Final = ".local/share/containers/storage"
#: A state file larger than that is none.
_MAX_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Names:
    """Empty where nobody says."""

    container: str = ""
    pod: str = ""
    namespace: str = ""


def names_of(container: Container, root: Path) -> Names:
    """Looks for the container below the host's root directory."""
    for names in _answers(container, root):
        if names.container or names.pod:
            return names
    return Names()


def _answers(container: Container, root: Path) -> Iterator[Names]:
    if "/" in container.id:
        return
    home = _home(container.user, root) if container.user else None
    for docker in [home / _USER_DOCKER] if home else _docker_roots(root):
        yield _docker(_read(docker / "containers" / container.id / "config.v2.json"))
    for bundle in _bundles(root / _CONTAINERD, container.id):
        yield _annotations(_read(bundle / "config.json"))
    for storage in [home / _USER_STORAGE] if home else [root / each for each in _STORAGES]:
        for folder in _drivers(storage):
            yield _annotations(_read(folder / container.id / "userdata" / "config.json"))
            yield _storage(_read(folder / "containers.json"), container.id)


def _drivers(storage: Path) -> list[Path]:
    """One folder per storage driver: overlay, vfs, btrfs."""
    try:
        return sorted(storage.glob("*-containers"))
    except OSError:
        return []


def _docker_roots(root: Path) -> list[Path]:
    """Where Docker keeps its data: as daemon.json says, else where it does so by itself."""
    settings = _read(root / "etc/docker/daemon.json")
    said = settings.get("data-root") if isinstance(settings, dict) else None
    places = [said.lstrip("/")] if isinstance(said, str) and ".." not in said else []
    return [root / place for place in (*places, *_DOCKER)]


def _home(uid: str, root: Path) -> Path | None:
    """Home directory of a user, from /etc/passwd (passwd(5))."""
    try:
        text = (root / "etc/passwd").read_text(encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 5 and fields[2] == uid and ".." not in fields[5]:
            return root / fields[5].lstrip("/")
    return None


def _bundles(tasks: Path, container: str) -> Iterator[Path]:
    """One directory per containerd namespace ("k8s.io", "default", "moby")."""
    try:
        namespaces = sorted(tasks.iterdir())
    except OSError:
        return
    for namespace in namespaces:
        yield namespace / container


def _docker(state: Any) -> Names:
    if not isinstance(state, dict):
        return Names()
    config = state.get("Config")
    labels = config.get("Labels") if isinstance(config, dict) else None
    labels = labels if isinstance(labels, dict) else {}
    return Names(
        container=_text(labels, "io.kubernetes.container.name") or _text(state, "Name").removeprefix("/"),
        pod=_text(labels, "io.kubernetes.pod.name"),
        namespace=_text(labels, "io.kubernetes.pod.namespace"),
    )


def _annotations(state: Any) -> Names:
    """Of an OCI bundle, as containerd's CRI, CRI-O and nerdctl write them."""
    notes = state.get("annotations") if isinstance(state, dict) else None
    if not isinstance(notes, dict):
        return Names()
    return Names(
        container=_text(notes, "io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"),
        pod=_text(notes, "io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"),
        namespace=_text(notes, "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"),
    )


def _storage(state: Any, container: str) -> Names:
    """Podman's list of containers."""
    for entry in state if isinstance(state, list) else ():
        if isinstance(entry, dict) and entry.get("id") == container:
            names = entry.get("names")
            if isinstance(names, list) and names and isinstance(names[0], str):
                return Names(container=names[0])
    return Names()


def _text(mapping: dict[str, Any], *keys: str) -> str:
    for key in keys:
        value = mapping.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _read(path: Path) -> Any:
    """JSON of a regular file: a user may put anything where his runtime keeps its state, a pipe without end too."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
                return None
            return json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
