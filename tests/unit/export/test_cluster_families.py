"""Every number of how the cluster is followed has a family: nothing that is counted stays unseen."""

from __future__ import annotations

import pytest

from kindling.config import Kubernetes
from kindling.export.cluster_families import BY_RESOURCE, PLAIN, PREFIX
from kindling.kubernetes.access import Access
from kindling.kubernetes.following import Following


def nothing(line: str) -> None:
    """Nobody reads it."""


@pytest.mark.parametrize("mode", ["cluster", "node"])
def test_all_that_is_counted_is_told(mode: str) -> None:
    settings = Kubernetes(mode=mode, node="n1")  # type: ignore[arg-type]  # the parameter is a text
    stats = Following(Access("192.0.2.1", 443, tls=False), settings, nothing).stats()
    keys = {key.removeprefix(PREFIX) for key in stats}
    by_resource = {f"{name}.{resource}" for name in BY_RESOURCE for resource in _resources(keys)}
    assert keys <= PLAIN.keys() | by_resource
    assert by_resource <= keys
    assert (PLAIN.keys() <= keys) == (mode == "cluster")


def _resources(keys: set[str]) -> set[str]:
    return {key.removeprefix("objects.") for key in keys if key.startswith("objects.")}
