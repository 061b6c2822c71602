"""Who of the cluster is at the other end of a flow, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from kindling.model.peer import UNKNOWN_POD, Peer

if TYPE_CHECKING:
    from kindling.identity import Scopes
    from kindling.model.labels import FlowLabels, Role

_FIRST_SECONDS: Final = 10.0
"""Nothing is named before the cluster was read, unless that takes longer: what is called external stays in lists."""


class Peers(Protocol):
    """What `kindling.kubernetes.Cluster` knows."""

    @property
    def synced(self) -> bool:
        """Everything was read once."""
        ...

    @property
    def whole(self) -> bool:
        """All of the cluster is followed, not this node alone."""
        ...

    @property
    def node_ip(self) -> str:
        """By which this node is known in the cluster, "" while that is not known."""
        ...

    def peer(self, address: str, port: int, transport: str, when: float, client: str = "") -> Peer | None:
        """Who had an address at a time (unix seconds); None: nobody of the cluster. `client`: whose address calls."""
        ...

    def saw(self, labels: FlowLabels, opened: int, client_port: int) -> None:
        """A row with a peer counted something, and so many new connections among that; `client_port`: a client's own
        of the newest one, 0: not known.
        """
        ...

    def answering(self, labels: FlowLabels) -> tuple[str, ...]:
        """Who was seen to answer a client of a service: NAMESPACE/POD, or ADDRESS:PORT where no pod has the address."""
        ...

    def own(self, address: str, port: int, transport: str, when: float) -> Peer | None:
        """Who answered at a time at an address of this node that the cluster does not list."""
        ...

    def service(self, address: str, port: int) -> str:
        """For which service an endpoint answers, "" for none."""
        ...

    def take_changed(self) -> set[str]:
        """Addresses of which `peer` or `service` may say another thing than before the last call."""
        ...


class Found(NamedTuple):
    peer: Peer | None
    sure: bool
    """Nothing better will come. Else news of the cluster may be on their way: they take a second or so."""


_NOBODY: Final = Found(None, sure=True)


class Peering:
    """Answers for flows. Without `peers` nobody is in a cluster, and that is sure."""

    def __init__(self, peers: Peers | None, scopes: Scopes) -> None:
        self.active = peers is not None
        self.answering = peers.answering if peers else None
        self._peers = peers
        self._scopes = scopes
        self._first_until: float | None = None
        self._synced = False

    def settling(self, now: float) -> bool:
        """The cluster is being read for the first time."""
        if self._peers is None or self._synced:
            return False
        if self._first_until is None:
            self._first_until = now + _FIRST_SECONDS
        return not self._peers.synced and now < self._first_until

    def take_synced(self) -> bool:
        """True once, when the cluster was read for the first time: what an earlier agent knew may be out of date."""
        if self._peers is None or self._synced or not self._peers.synced:
            return False
        self._synced = True
        return True

    @property
    def node_ip(self) -> str:
        """Of this node, or ""."""
        return self._peers.node_ip if self._peers else ""

    def take_changed(self) -> set[str]:
        """Addresses that may be another one's, since the last call."""
        return self._peers.take_changed() if self._peers else set()

    def saw(self, labels: FlowLabels, opened: int, client_port: int) -> None:
        if self._peers is not None and labels.peer is not None:
            self._peers.saw(labels, opened, client_port)

    def find(self, role: Role, address: str, port: int, transport: str, when: float, local: str = "") -> Found:
        """Who had the remote address of a flow at a time. `port`: as in FlowLabels, a server's tells nothing of it.

        `local`: the other address, for the pod that answers a client of a service.
        """
        peers = self._peers
        if peers is None or not address:
            return _NOBODY
        scope = self._scopes.place(address).scope
        if scope == "loopback":
            return _NOBODY
        theirs = 0 if role == "server" else port
        found = peers.peer(address, theirs, transport, when, local)
        if found is not None:
            return Found(found, found is not UNKNOWN_POD)
        if scope == "own" and self._scopes.of_node(address):
            return Found(peers.own(address, theirs, transport, when), not peers.whole)
        if scope == "own":
            return Found(None, not peers.whole)  # of a container, perhaps of a pod that will be told of
        return Found(None, not peers.whole if scope == "private" else peers.synced)

    def again(self, labels: FlowLabels, since: float, now: float) -> Peer | None:
        """Who has the remote address now, where it was the labels' peer's; `since`: the flow was first seen then.

        One that is gone is no longer named, unless its address cannot soon be another one's.
        """
        before = labels.peer
        ends = labels.role, labels.remote_ip, labels.port, labels.transport
        peer = self.find(*ends, now, labels.local_ip).peer
        if peer is None or peer is UNKNOWN_POD:
            if before is None:
                return self.find(*ends, since, labels.local_ip).peer
            return UNKNOWN_POD if before.kind == "pod" else before
        return peer

    def service(self, role: Role, address: str, port: int) -> str:
        """The service for which a server's own endpoint answers, or ""."""
        return self._peers.service(address, port) if self._peers and role == "server" else ""
