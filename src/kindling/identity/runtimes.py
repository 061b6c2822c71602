"""Names of containers, from the files that their runtimes keep: no daemon is asked, no socket opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kindling.identity.cgroup import Container

_CONTAINERD: Final = "run/containerd/io.containerd.runtime.v2.task"
_STORAGES: Final = (
    "run/containers/storage/overlay-containers",
    "var/lib/containers/storage/overlay-containers",
)
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
    for names in _answers(container.id, root):
        if names.container or names.pod:
            return names
    return Names()


def _answers(container: str, root: Path) -> Iterator[Names]:
    if "/" in container:
        return
    yield _docker(_read(root / "var/lib/docker/containers" / container / "config.v2.json"))
    for bundle in _bundles(root / _CONTAINERD, container):
        yield _annotations(_read(bundle / "config.json"))
    for storage in _STORAGES:
        yield _annotations(_read(root / storage / container / "userdata" / "config.json"))
        yield _storage(_read(root / storage / "containers.json"), container)


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
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
