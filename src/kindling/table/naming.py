"""From a flow's key to its labels: who, whereto, and by which name, on which evidence.

Host or SNI of the connection itself > a DNS answer to this workload > one to another on this node > /etc/hosts and
settings > the bare address (docs/names.md).
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from kindling.identity import Scopes
from kindling.identity.domains import NameBudget
from kindling.identity.hosts import StaticNames
from kindling.model.codes import INFERRED_OWNER, NameKind, RoleNumber
from kindling.model.labels import Evidence, FlowLabels, Role, Transport
from kindling.model.workload import UNKNOWN, Workload
from kindling.protocols import by_number
from kindling.table.address import address_text

if TYPE_CHECKING:
    from kindling.config import NameSettings
    from kindling.table.names import Names
    from kindling.table.owners import Owners
    from kindling.table.resolved import ResolvedNames

ROLES: Final[dict[int, Role]] = {
    RoleNumber.UNKNOWN: "unknown",
    RoleNumber.CLIENT: "client",
    RoleNumber.SERVER: "server",
}
_EVIDENCE: Final[dict[int, Evidence]] = {NameKind.HOST: "host", NameKind.SNI: "sni"}
_UDP: Final = 17


def transport_name(number: int) -> Transport:
    return "udp" if number == _UDP else "tcp"


class FlowNaming:
    """`scopes`, `static`: those of this host; without them an address says only what it is in itself."""

    def __init__(
        self,
        owners: Owners,
        names: Names,
        resolved: ResolvedNames,
        settings: NameSettings,
        scopes: Scopes | None = None,
        static: StaticNames | None = None,
    ) -> None:
        self.scopes = scopes or Scopes(settings.networks)
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

    def labels(self, key: Any, now: float) -> tuple[FlowLabels, bool]:
        """Labels by what is known, and whether that is all there is to know."""
        owner = int(key["owner"])
        found = self._owners.workload(owner)
        workload = found or UNKNOWN
        name_id = int(key["name"])
        host = self._names.host(name_id) if name_id else (0, "")
        kind, name = host or (0, "")
        remote_ip = address_text(key["remote"].tobytes())
        role = ROLES.get(int(key["role"]), "unknown")
        evidence: Evidence
        if name and not _is_address(name):
            name, evidence = self.budget.admit(name), _EVIDENCE.get(kind, "address")
        elif role == "server":
            name, evidence = "", "address"
        else:
            name, evidence = self.name(workload, remote_ip, now)
        place = self.scopes.place(remote_ip)
        labels = FlowLabels(
            workload=workload,
            role=role,
            transport=transport_name(int(key["transport"])),
            protocol=by_number(int(key["protocol"])).name,
            local_ip=address_text(key["local"].tobytes()),
            remote_ip=remote_ip,
            port=int(key["port"]),
            name=name,
            evidence=evidence,
            inferred=bool(key["inferred"]) or bool(owner & INFERRED_OWNER),
            scope=place.scope,
            network=place.network,
        )
        return labels, found is not None and host is not None

    def name(self, workload: Workload, address: str, now: float) -> tuple[str, Evidence]:
        """The name of an address where the connection itself tells none."""
        name, evidence = self._resolved.find(workload, address, now)
        if not name and self._static is not None:
            name = self._static.name(address)
            evidence = "static" if name else "address"
        return self.budget.admit(name), evidence

    def take_changed(self) -> set[str]:
        """Addresses whose name is another one, for what does not come from the network, since the last call."""
        return self._static.take_changed() if self._static else set()

    def renamed(self, labels: FlowLabels, now: float) -> FlowLabels:
        """Labels of what comes from now on under a key that itself tells no name."""
        name, evidence = self.name(labels.workload, labels.remote_ip, now)
        if (name, evidence) == (labels.name, labels.evidence):
            return labels
        return replace(labels, name=name, evidence=evidence)

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


def _is_address(name: str) -> bool:
    """A header "Host: 192.0.2.1" names nothing."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
