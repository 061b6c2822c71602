"""Keeping up with the cluster as the settings say: what is watched, since when, and how well that goes."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from kindling.config import NO_FILE, Kubernetes
from kindling.errors import SettingError
from kindling.kubernetes.access import ACCOUNT, Access, from_kubeconfig, in_cluster
from kindling.kubernetes.client import Client
from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.objects import AnyObject, EndpointSlice, Node, Pod, Service
from kindling.kubernetes.own import OwnPods
from kindling.kubernetes.reflect import Reflector, Resource

Say = Callable[[str], None]

_START_SECONDS: Final = 2.0
"""Agents that a rollout starts together ask over so long a time."""
_PATIENCE: Final = 3.0
"""A connection that breaks is made anew within that; it is not worth a word."""
_SAY_SECONDS: Final = 900.0
"""An API server that comes and goes is told of so often."""
_STOP_SECONDS: Final = 0.2
_HINT: Final = "names of known pods and services stay, new ones are missing; it is asked again and again"


class Following:
    """Used by the agent's thread. `start` once no privilege is given up any more: threads keep what they have."""

    def __init__(
        self,
        access: Access | Callable[[], Access],
        settings: Kubernetes,
        say: Say,
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`access`: see `Client`. `chance`: 0 to 1, when to begin. `clock`: unix seconds."""
        self._reflectors = [Reflector(Client(access), resource) for resource in resources_of(settings)]
        self.cluster = Cluster(self._reflectors, settings.node)
        self.pods = OwnPods(self.cluster, clock)
        self._server = (
            f"the API server at {access.host}:{access.port}" if isinstance(access, Access) else "the API server"
        )
        self._say = say
        self._delay = _START_SECONDS * chance()
        self._clock = clock
        self._stop = threading.Event()
        self._starter = threading.Thread(target=self._start, name="kubernetes-start", daemon=True)
        self._told = False
        self._quiet_until = 0.0

    def start(self) -> None:
        self._starter.start()

    def refresh(self) -> None:
        """Take what was learned; to be called once per interval."""
        now = self._clock()
        self.cluster.refresh(now)
        self._tell(now)

    def close(self) -> None:
        """Threads that hang in a read end with the process."""
        self._stop.set()
        for reflector in self._reflectors:
            reflector.stop()

    @property
    def failing_seconds(self) -> float:
        """For how long the API server could not be asked; 0 where it can."""
        since = [each.health.failing_since for each in self._reflectors if each.health.failing_since]
        return max(0.0, self._clock() - min(since)) if since else 0.0

    def stats(self) -> Mapping[str, float]:
        cluster = self.cluster
        objects = {
            "pods": len(cluster.pods),
            "services": len(cluster.services),
            "endpointslices": cluster.services.slices,
            "nodes": len(cluster.nodes),
        }
        stats: dict[str, float] = {
            "kubernetes.synced": int(cluster.synced),
            "kubernetes.failing_seconds": self.failing_seconds,
            "kubernetes.pending": sum(len(each.changes) for each in self._reflectors),
        }
        for resource, health in cluster.health().items():
            stats[f"kubernetes.objects.{resource}"] = objects[resource]
            for name in ("lists", "watches", "events", "errors", "undecodable"):
                stats[f"kubernetes.{name}.{resource}"] = getattr(health, name)
        return {**stats, **cluster.backends.stats()} if cluster.whole else stats

    def _start(self) -> None:
        if self._stop.wait(self._delay):
            return
        for reflector in self._reflectors:
            reflector.start()

    def _tell(self, now: float) -> None:
        failing = self.failing_seconds
        if failing >= _PATIENCE and not self._told and now >= self._quiet_until:
            self._told = True
            self._quiet_until = now + _SAY_SECONDS
            problem = next(each.health.problem for each in self._reflectors if each.health.failing_since)
            self._say(f"cannot ask {self._server}: {problem}; {_HINT}")
        elif self._told and not failing:
            self._told = False
            self._say(f"{self._server} answers again")


def follow(
    settings: Kubernetes,
    say: Say,
    environment: Mapping[str, str] = os.environ,
    account: Path = ACCOUNT,
) -> Following | None:
    """Not started yet. None: nothing is to be followed, or nobody can be asked; where that was wanted, it is said.

    Files (kubeconfig, token, certificates) that cannot be read yet are tried again.
    """
    if settings.mode == "off":
        return None
    try:
        access = access_of(settings, environment, account)
    except SettingError:
        return Following(partial(from_kubeconfig, settings.kubeconfig, settings.context), settings, say)
    if access is None:
        if settings.mode != "auto":
            say(
                "this is no pod of a cluster, and no kubernetes.kubeconfig is set:"
                " names of pods and services are missing"
            )
        return None
    return Following(access, settings, say)


def resources_of(settings: Kubernetes) -> list[Resource[Any]]:
    """What is watched: in the mode `node` nothing but the pods of that node."""
    only_here = {"fieldSelector": f"spec.nodeName={settings.node}"} if settings.mode == "node" else {}
    pods: Resource[AnyObject] = Resource("pods", "/api/v1/pods", Pod, only_here)
    if settings.mode == "node":
        return [pods]
    return [
        pods,
        Resource("services", "/api/v1/services", Service),
        Resource("endpointslices", "/apis/discovery.k8s.io/v1/endpointslices", EndpointSlice),
        Resource("nodes", "/api/v1/nodes", Node),
    ]


def access_of(settings: Kubernetes, environment: Mapping[str, str], account: Path) -> Access | None:
    """The way to the API server; None: there is none. Raises SettingError."""
    if settings.kubeconfig != NO_FILE:
        return from_kubeconfig(settings.kubeconfig, settings.context)
    if settings.mode == "auto" and not os.path.lexists(account):
        return None  # a pod that is given no service account
    return in_cluster(environment, account)
