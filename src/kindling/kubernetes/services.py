"""Services by their addresses, and by what answers for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kindling.kubernetes.objects import EndpointSlice, Service

_HEADLESS = "None"


@dataclass(frozen=True, slots=True)
class KnownService:
    namespace: str
    name: str
    virtual: frozenset[str]
    """ClusterIPs, external IPs, addresses of load balancers."""
    node_ports: frozenset[tuple[str, int]]
    """(tcp or udp, port) on every node."""
    ports: tuple[tuple[str, int, int, str], ...] = ()
    """(tcp or udp, port, port on every node or 0, name)"""

    def has(self, port: int, transport: str) -> bool:
        """Whether it is called at a port of an address of its own; transport "": any."""
        return any(own == port and transport in {protocol, ""} for protocol, own, _, _ in self.ports)

    def port_name(self, transport: str, port: int, *, on_nodes: bool = False) -> str | None:
        """Of a port at an address of its own, or of one that every node has; None: it has no such port."""
        for protocol, own, of_nodes, name in self.ports:
            if protocol == transport and port == (of_nodes if on_nodes else own):
                return name
        return None


@dataclass(frozen=True, slots=True)
class _Slice:
    service: str
    endpoints: frozenset[tuple[str, int]]
    """(address, port); port 0: all."""
    ports: tuple[tuple[str, int, str], ...] = ()
    """(tcp or udp, port, name)"""
    pods: tuple[tuple[str, str], ...] = ()
    """(address, uid), as far as they are needed."""


class Services:
    def __init__(self) -> None:
        self._by_uid: dict[str, KnownService] = {}
        self._virtual: dict[str, dict[str, KnownService]] = {}
        """By address and uid: services may share an address of a load balancer, with other ports."""
        self._node_ports: dict[tuple[str, int], KnownService] = {}
        self._slices: dict[str, _Slice] = {}
        self._slices_of: dict[str, set[str]] = {}
        """Uids of slices, by service."""
        self._backends: dict[tuple[str, int], Counter[str]] = {}
        self._called: dict[tuple[str, int], frozenset[str]] = {}
        """Services through which endpoints are called on this node, where that is known."""
        self._changed: set[str] = set()
        self._ports_changed = False

    def put(self, service: Service) -> None:
        uid = service.metadata.uid
        known = _known(service)
        if self._by_uid.get(uid) == known:
            return
        self.delete(uid)
        self._by_uid[uid] = known
        for address in known.virtual:
            self._virtual.setdefault(address, {})[uid] = known
        for port in known.node_ports:
            self._node_ports[port] = known
        self._touch(known)

    def delete(self, uid: str) -> None:
        known = self._by_uid.pop(uid, None)
        if known is None:
            return
        for address in known.virtual:
            sharing = self._virtual[address]
            del sharing[uid]
            if not sharing:
                del self._virtual[address]
        for port in known.node_ports:
            if self._node_ports.get(port) is known:
                del self._node_ports[port]
        self._touch(known)

    def _touch(self, service: KnownService) -> None:
        self._changed |= service.virtual
        self._ports_changed = self._ports_changed or bool(service.node_ports)

    def keep_only(self, uids: frozenset[str]) -> None:
        for uid in [uid for uid in self._by_uid if uid not in uids]:
            self.delete(uid)

    def put_slice(self, found: EndpointSlice, told_apart: Callable[[str], bool] = lambda _: False) -> None:
        """`told_apart`: pods, by uid, that have an address of their own: that they answer need not be remembered."""
        uid = found.metadata.uid
        known = _known_slice(found, told_apart)
        if self._slices.get(uid) == known:
            return
        self.delete_slice(uid)
        self._slices[uid] = known
        self._slices_of.setdefault(known.service, set()).add(uid)
        for endpoint in known.endpoints:
            self._backends.setdefault(endpoint, Counter())[known.service] += 1
            self._changed.add(endpoint[0])

    def delete_slice(self, uid: str) -> None:
        known = self._slices.pop(uid, None)
        if known is None:
            return
        of_service = self._slices_of[known.service]
        of_service.discard(uid)
        if not of_service:
            del self._slices_of[known.service]
        for endpoint in known.endpoints:
            names = self._backends.get(endpoint)
            if names is None:
                continue
            self._changed.add(endpoint[0])
            names[known.service] -= 1
            if not names[known.service]:
                del names[known.service]
            if not names:
                del self._backends[endpoint]

    def keep_only_slices(self, uids: frozenset[str]) -> None:
        for uid in [uid for uid in self._slices if uid not in uids]:
            self.delete_slice(uid)

    def take_changed(self) -> tuple[set[str], bool]:
        """Addresses of services and of what is behind them that changed since the last call; whether a port of the
        nodes did.
        """
        changed, ports = self._changed, self._ports_changed
        self._changed, self._ports_changed = set(), False
        return changed, ports

    def at(self, address: str, port: int, transport: str) -> KnownService | None:
        """The service that has an address of its own; of several that share it one that has the port (transport "": of
        any), of these the first by name.
        """
        sharing = self._virtual.get(address)
        if not sharing:
            return None
        return min(sharing.values(), key=lambda each: (not each.has(port, transport), each.namespace, each.name))

    def at_node_port(self, transport: str, port: int) -> KnownService | None:
        return self._node_ports.get((transport, port))

    def behind(self, address: str, port: int) -> str:
        """The service ("NAMESPACE/NAME") for which an endpoint answers; "" for none. Of several the first by name, of
        those through which it is called.
        """
        names = self._backends.get((address, port)) or self._backends.get((address, 0))
        if not names:
            return ""
        called = self._called.get((address, port)) if len(names) > 1 else None
        return min(called & names.keys() or names) if called else min(names)

    def pods_at(self, address: str, port: int, transport: str) -> set[str]:
        """Uids of the pods that are listed with an endpoint: those on a node's network share its address."""
        of_services = (self._slices_of.get(name, ()) for name in self._backends.get((address, port), ()))
        slices = (self._slices[uid] for uids in of_services for uid in uids)
        listing = (found for found in slices if any((transport, port) == each[:2] for each in found.ports))
        return {pod for found in listing for at, pod in found.pods if at == address}

    @property
    def doubtful(self) -> bool:
        """Whether an endpoint answers for more than one service."""
        return any(len(names) > 1 for names in self._backends.values())

    def learn_calls(self, calls: Mapping[tuple[str, int], Iterable[tuple[str, int]]]) -> None:
        """Addresses at which services were called on this node, by the endpoint that such calls were sent to."""
        called: dict[tuple[str, int], frozenset[str]] = {}
        for endpoint, addresses in calls.items():
            services = [found for called_at in addresses if (found := self.at(*called_at, ""))]
            if services:
                called[endpoint] = frozenset(f"{each.namespace}/{each.name}" for each in services)
        for endpoint in called.keys() | self._called.keys():
            if called.get(endpoint) != self._called.get(endpoint):
                self._changed.add(endpoint[0])
        self._called = called

    def endpoints_at(self, address: str, port: int, transport: str, *, of_node: bool) -> frozenset[tuple[str, int]]:
        """Who may answer where a service is called. `of_node`: the address is a node's (too), which has the ports of
        all nodes; so has an address that is none of a service's: nodes have some that nobody told of.
        """
        own = self.at(address, port, transport)
        if own and own.has(port, transport):
            return self._endpoints(own, transport, own.port_name(transport, port))
        everywhere = self.at_node_port(transport, port) if of_node or own is None else None
        if everywhere is None:
            return frozenset()
        return self._endpoints(everywhere, transport, everywhere.port_name(transport, port, on_nodes=True))

    def _endpoints(self, service: KnownService, transport: str, name: str | None) -> frozenset[tuple[str, int]]:
        slices = (self._slices[uid] for uid in self._slices_of.get(f"{service.namespace}/{service.name}", ()))
        return frozenset(
            (address, port)
            for found in slices
            for address, port in found.endpoints
            if (transport, port, name) in found.ports
        )

    @property
    def slices(self) -> int:
        return len(self._slices)

    def __len__(self) -> int:
        return len(self._by_uid)


def _known(service: Service) -> KnownService:
    spec = service.spec
    addresses = [*(spec.cluster_ips or [spec.cluster_ip]), *(spec.external_ips or ())]
    addresses += [each.ip for each in service.status.load_balancer.ingress or ()]
    return KnownService(
        namespace=service.metadata.namespace,
        name=service.metadata.name,
        virtual=frozenset(address for address in addresses if address and address != _HEADLESS),
        node_ports=frozenset((each.protocol.lower(), each.node_port) for each in spec.ports or () if each.node_port),
        ports=tuple((each.protocol.lower(), each.port, each.node_port, each.name or "") for each in spec.ports or ()),
    )


def _known_slice(found: EndpointSlice, told_apart: Callable[[str], bool]) -> _Slice:
    labels = found.metadata.labels
    service = labels.service if labels else ""
    ports = tuple(((each.protocol or "TCP").lower(), each.port or 0, each.name or "") for each in found.ports or ())
    return _Slice(
        service=f"{found.metadata.namespace}/{service}",
        endpoints=frozenset(
            (address, port)
            for endpoint in found.endpoints or ()
            for address in endpoint.addresses or ()
            for _, port, _ in ports or (("", 0, ""),)
        )
        if service
        else frozenset(),
        ports=ports,
        pods=tuple(
            (address, endpoint.target_ref.uid)
            for endpoint in found.endpoints or ()
            if endpoint.target_ref and endpoint.target_ref.kind == "Pod" and not told_apart(endpoint.target_ref.uid)
            for address in endpoint.addresses or ()
        ),
    )
