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


class Shared(NamedTuple):
    controller: Controller
    port: int
    """Of all pods; 0 where they have several."""


class SharedControllers:
    """Remembers the answer: endpoints are looked through once an interval, and only where somebody calls."""

    def __init__(self, pod_at: Callable[[str, float], KnownPod | None]) -> None:
        self._pod_at = pod_at
        self._known: dict[Called, Shared | None] = {}
        self._looked: set[Called] = set()

    def begin(self) -> None:
        """A new interval."""
        self._looked.clear()

    def of(self, called: Called, endpoints: Iterable[Endpoint], now: float) -> Shared | None:
        if called not in self._known:
            self._known[called] = self._find(endpoints, now, None)
        return self._known[called]

    def look(self, called: Called, endpoints: Iterable[Endpoint], now: float) -> bool:
        """Look again; whether it is another one than before."""
        if called in self._looked:
            return False
        self._looked.add(called)
        before = self._known.get(called)
        self._known[called] = found = self._find(endpoints, now, before)
        return found != before

    def keep_only(self, called: set[Called]) -> None:
        for each in self._known.keys() - called:
            del self._known[each]

    def _find(self, endpoints: Iterable[Endpoint], now: float, before: Shared | None) -> Shared | None:
        """While no pod of them is told, what was known before."""
        found = [(pod.controller, port) for address, port in endpoints if (pod := self._pod_at(address, now))]
        if not found:
            return before
        controllers, ports = {controller for controller, _ in found}, {port for _, port in found}
        if len(controllers) > 1:
            return None
        return Shared(found[0][0], found[0][1] if len(ports) == 1 else 0)
