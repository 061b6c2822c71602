"""Pods by their ports on nodes: of those on the node's network, and of those that have a port of the node mapped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from kindling.kubernetes.claims import CLOCKS

if TYPE_CHECKING:
    from kindling.kubernetes.objects import Pod
    from kindling.kubernetes.pods import KnownPod

_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 -- as a pod says it
_REMEMBERED: Final = 8
"""Past holders of one port."""

_Place = tuple[str, str, int]
"""Node, transport, port."""


class HostPort(NamedTuple):
    transport: str
    port: int
    address: str = ""
    """Of the node, "" for all."""


@dataclass(slots=True)
class _Tenure:
    pod: KnownPod
    address: str
    since: float
    until: float | None = None


class HostPorts:
    """Several pods may have said that a port is theirs: then nobody knows whose it is."""

    def __init__(self) -> None:
        self._tenures: dict[_Place, list[_Tenure]] = {}
        self._places: dict[str, list[_Place]] = {}
        """By uid, of pods that are there."""

    def put(self, pod: KnownPod, ports: Iterable[HostPort], since: float) -> None:
        """A pod has ports (they never change) since a time (unix seconds)."""
        for place in self._places.get(pod.uid, ()):
            for tenure in self._held(place, pod.uid):
                tenure.pod = pod
        if pod.uid in self._places or not pod.node:
            return
        for each in set(ports):
            place = pod.node, each.transport, each.port
            tenures = self._tenures.setdefault(place, [])
            tenures.append(_Tenure(pod, each.address, since))
            del tenures[:-_REMEMBERED]
            self._places.setdefault(pod.uid, []).append(place)

    def release(self, uid: str, until: float) -> bool:
        """Whether it had any."""
        places = self._places.pop(uid, [])
        for place in places:
            for tenure in self._held(place, uid):
                tenure.until = until
        return bool(places)

    def at(self, node: str, address: str, port: int, transport: str, when: float) -> dict[str, KnownPod]:
        """Who may have had the port at a time, by uid. `address`: of the node, by which the port is called."""
        return {
            tenure.pod.uid: tenure.pod
            for tenure in self._tenures.get((node, transport, port), ())
            if (not tenure.address or tenure.address == address)
            and tenure.since - CLOCKS <= when
            and (tenure.until is None or when < tenure.until)
        }

    def expire(self, before: float) -> None:
        """Forget who gave a port back before a time."""
        for place in list(self._tenures):
            left = [each for each in self._tenures[place] if each.until is None or each.until >= before]
            if left:
                self._tenures[place] = left
            else:
                del self._tenures[place]

    def __len__(self) -> int:
        return len(self._tenures)

    def _held(self, place: _Place, uid: str) -> list[_Tenure]:
        return [each for each in self._tenures.get(place, ()) if each.pod.uid == uid and each.until is None]


def host_ports(pod: Pod) -> list[HostPort]:
    """Ports that a pod has on its node. The API server writes down those of pods on the node's network, too."""
    containers = (*(pod.spec.containers or ()), *(pod.spec.init_containers or ()))
    return [
        HostPort(port.protocol.lower(), port.host_port, "" if port.host_ip in _ANY else port.host_ip)
        for container in containers
        for port in container.ports or ()
        if port.host_port
    ]
