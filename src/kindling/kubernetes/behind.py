"""Whose pods answer for a service, where it is not known which one: all of one port belong to one controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from kindling.kubernetes.conntrack import Endpoint

if TYPE_CHECKING:
    from kindling.kubernetes.pods import KnownPod
    from kindling.kubernetes.workloads import Controller

Called = tuple[str, int, str]
"""Address, port, transport of a service."""


PodAt = Callable[[Endpoint, str, float], "KnownPod | None"]
"""Which pod has an endpoint of a transport at a time (unix seconds)."""


class Shared(NamedTuple):
    controller: Controller
    port: int
    """Of all pods; 0 where they have several."""
    namespace: str
    host_network: bool = False
    """One of them, at least, has its node's address."""


class SharedControllers:
    """Remembers the answer: endpoints are looked through once an interval, and only where somebody calls."""

    def __init__(self, pod_at: PodAt) -> None:
        self._pod_at = pod_at
        self._known: dict[Called, Shared | None] = {}
        self._looked: set[Called] = set()

    def begin(self) -> None:
        """A new interval."""
        self._looked.clear()

    def of(self, called: Called, endpoints: Iterable[Endpoint], now: float) -> Shared | None:
        if called not in self._known:
            self._known[called] = self._find(called[2], endpoints, now, None)
        return self._known[called]

    def look(self, called: Called, endpoints: Iterable[Endpoint], now: float) -> bool:
        """Look again; whether it is another one than before."""
        if called in self._looked:
            return False
        self._looked.add(called)
        before = self._known.get(called)
        self._known[called] = found = self._find(called[2], endpoints, now, before)
        return found != before

    def keep_only(self, called: set[Called]) -> None:
        for each in self._known.keys() - called:
            del self._known[each]

    def _find(self, transport: str, endpoints: Iterable[Endpoint], now: float, before: Shared | None) -> Shared | None:
        """While no pod of them is told, what was known before."""
        found = [(pod, each[1]) for each in endpoints if (pod := self._pod_at(each, transport, now))]
        if not found:
            return before
        owners = {(pod.controller, pod.namespace) for pod, _ in found}
        if len(owners) > 1:
            return None
        (owner,), ports = owners, {port for _, port in found}
        controller, namespace = owner
        host_network = any(pod.host_network for pod, _ in found)
        return Shared(controller, ports.pop() if len(ports) == 1 else 0, namespace, host_network)
