"""From a flow's key to its labels: who, whereto, and by which name, on which evidence.

Who of the cluster has the remote address is told by the cluster (`peering`). The name:
Host or SNI of the connection itself > a DNS answer to this workload > one to another on this node > /etc/hosts and
settings > the bare address (docs/names.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kindling.identity import Scopes
from kindling.identity.domains import NameBudget
from kindling.identity.hosts import StaticNames
from kindling.model.codes import INFERRED_OWNER, NameKind, RoleNumber
from kindling.model.labels import Evidence, FlowLabels, OpLabels, Role, Transport
from kindling.model.workload import UNKNOWN, Workload
from kindling.protocols import by_number
from kindling.table.address import address_text
from kindling.table.peering import Peering, Peers
from kindling.wire.address import is_address

if TYPE_CHECKING:
    from kindling.config import NameSettings
    from kindling.model.peer import Peer
    from kindling.table.names import Names
    from kindling.table.owners import Owners
    from kindling.table.resolved import ResolvedNames

L = TypeVar("L", FlowLabels, OpLabels)

ROLES: Final[dict[int, Role]] = {
    RoleNumber.UNKNOWN: "unknown",
    RoleNumber.CLIENT: "client",
    RoleNumber.SERVER: "server",
}
_EVIDENCE: Final[dict[int, Evidence]] = {NameKind.HOST: "host", NameKind.SNI: "sni"}
_OF_CONNECTION: Final = frozenset({"host", "sni"})
_UDP: Final = 17
_LODGER_SECONDS: Final = 3.0
"""For so long whoever used an address that is not the node's, and is in no container any more, may be told of as a pod.
Kubelet tells the address of a pod within 2 s."""

__all__ = ["ROLES", "FlowNaming", "Peers", "named_by_address", "transport_name"]


def transport_name(number: int) -> Transport:
    return "udp" if number == _UDP else "tcp"


def named_by_address(labels: FlowLabels) -> bool:
    """The connection itself tells no name: what comes later may be known by another one."""
    return labels.role != "server" and labels.evidence not in _OF_CONNECTION


class FlowNaming:
    """`scopes`, `static`: those of this host; without them an address says only what it is in itself.

    `peers`: the cluster, where there is one.
    """

    def __init__(
        self,
        owners: Owners,
        names: Names,
        resolved: ResolvedNames,
        settings: NameSettings,
        scopes: Scopes | None = None,
        static: StaticNames | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.scopes = scopes or Scopes(settings.networks)
        self.peering = Peering(peers, self.scopes)
        self.budget = NameBudget(settings.per_domain)
        self._owners = owners
        self._names = names
        self._resolved = resolved
        self._static = static

    def meet(self, key: Any) -> None:
        """A flow's key was seen: its local end is this host's."""
        self.meet_address(address_text(key["local"].tobytes()))

    def meet_address(self, local: str) -> None:
        self.scopes.seen_locally(local)

    def labels(self, key: Any, now: float, since: float | None = None) -> tuple[FlowLabels, bool]:
        """Labels by what is known, and whether that is all there is to know. `since`: first seen then."""
        owner = int(key["owner"])
        local_ip, when = address_text(key["local"].tobytes()), now if since is None else since
        found = self._owners.workload_at(owner, local_ip, when)
        workload = found or UNKNOWN
        name_id = int(key["name"])
        host = self._names.host(name_id) if name_id else (0, "")
        kind, name = host or (0, "")
        remote_ip = address_text(key["remote"].tobytes())
        role = ROLES.get(int(key["role"]), "unknown")
        evidence: Evidence
        if name and not is_address(name):  # a header "Host: 192.0.2.1" names nothing
            name, evidence = self.budget.admit(name), _EVIDENCE.get(kind, "address")
        elif role == "server":
            name, evidence = "", "address"
        else:
            name, evidence = self.name(workload, remote_ip, now)
        place = self.scopes.place(remote_ip)
        port, transport = int(key["port"]), transport_name(int(key["transport"]))
        peer = self.peering.find(role, remote_ip, port, transport, when, local_ip)
        labels = FlowLabels(
            workload=workload,
            role=role,
            transport=transport,
            protocol=by_number(int(key["protocol"])).name,
            local_ip=local_ip,
            remote_ip=remote_ip,
            port=port,
            name=name,
            evidence=evidence,
            inferred=bool(key["inferred"]) or bool(owner & INFERRED_OWNER),
            scope=place.scope,
            network=place.network,
            peer=peer.peer,
            service=self.peering.service(role, local_ip, port),
        )
        return labels, found is not None and host is not None and peer.sure

    def pending(self, key: Any, now: float, since: float) -> bool:
        """Whether it will probably be known in a moment who it is. `since`: the flow was first seen then."""
        owner = int(key["owner"])
        if self._owners.pending(owner):
            return True
        if now - since >= _LODGER_SECONDS or not self._owners.placeless(owner):
            return False
        local = address_text(key["local"].tobytes())
        lodges = self.scopes.place(local).scope == "own" and not self.scopes.of_node(local)
        return lodges and not self._owners.at_home(owner, local, since)

    def owned(self, labels: FlowLabels, key: Any, now: float) -> FlowLabels:
        """The same labels, with the workload that is behind the owner now."""
        workload = self._owners.workload_at(int(key["owner"]), labels.local_ip, now)
        if workload is None or workload == labels.workload:
            return labels
        return replace(labels, workload=workload)

    def name(self, workload: Workload, address: str, now: float) -> tuple[str, Evidence]:
        """The name of an address where the connection itself tells none."""
        name, evidence = self._resolved.find(workload, address, now)
        if not name and self._static is not None:
            name = self._static.name(address)
            evidence = "static" if name else "address"
        return self.budget.admit(name), evidence

    def take_changed(self) -> set[str]:
        """Addresses whose name or peer is another one, for what does not come from the network, since the last call."""
        changed = self.peering.take_changed()
        return changed | self._static.take_changed() if self._static else changed

    def renamed(self, labels: FlowLabels, now: float, since: float, *, keep_name: bool = False) -> FlowLabels:
        """Labels of what comes from now on under a key that was first seen at a time."""
        name, evidence = labels.name, labels.evidence
        if named_by_address(labels) and not keep_name:
            name, evidence = self.name(labels.workload, labels.remote_ip, now)
        peer = self.peer_again(labels, now, since)
        if (name, evidence, peer) == (labels.name, labels.evidence, labels.peer):
            return labels
        return replace(labels, name=name, evidence=evidence, peer=peer)

    def peer_again(self, labels: FlowLabels, now: float, since: float) -> Peer | None:
        """Who has the remote address by now."""
        if not self.peering.active:
            return labels.peer
        return self.peering.again(labels, since, now)

    def restored(self, labels: FlowLabels) -> FlowLabels:
        """Labels of another process: its names count in the budget, its host and settings may have been others."""
        self.budget.admit(labels.name)
        self.meet_address(labels.local_ip)
        return self.placed(labels)

    def placed(self, labels: FlowLabels) -> FlowLabels:
        """The same labels, with the scope and the network that the remote address is in now."""
        place = self.scopes.place(labels.remote_ip)
        if place == (labels.scope, labels.network):
            return labels
        return replace(labels, scope=place.scope, network=place.network)

    def serving(self, labels: L) -> L:
        """The same labels of a server, with the service for which it answers now."""
        service = self.peering.service(labels.role, labels.local_ip, labels.port)
        return labels if service == labels.service else replace(labels, service=service)
