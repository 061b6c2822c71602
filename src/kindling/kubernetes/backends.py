"""Which pod answered a client that called a service: learned for each pair of client and service, from three sources.

1. The service has one endpoint only.
2. The server's own socket, where both ends are on this node: it shows the client's address, which the translation of a
   service leaves as it is. Not used where the client also speaks with that pod directly, or through another service.
3. The kernel's connection tracking, asked for one connection at a time (`kindling.kubernetes.lookups`).

Used by the agent's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from kindling.kubernetes.behind import PodAt, SharedControllers
from kindling.kubernetes.conntrack import Endpoint
from kindling.kubernetes.lookups import PER_SECOND, Asked, Lookup, Pair, Questions
from kindling.kubernetes.meetings import Meeting, Meetings
from kindling.model.peer import Peer

if TYPE_CHECKING:
    from kindling.kubernetes.pods import KnownPod
    from kindling.kubernetes.services import Services
    from kindling.model.labels import FlowLabels

_PAIRS: Final = 16_384
"""As many as the probe has flow slots."""
_REMEMBER: Final = 900.0
"""Seconds for which a pair, and an endpoint that answered, is known."""
_SURE: Final = 5.0
"""Seconds after which the only endpoint seen counts as the only one, where all connections were looked at."""
_SAMPLES: Final = 16
_SAMPLED: Final = 60.0
"""Connections, and seconds, after which the same holds where not all could be looked at."""
_SETTLED: Final = 3.0
"""Seconds after which both ends of a connection are rows, whatever their names waited for."""
_LONGEST_INTERVAL: Final = 60.0
_ROUND: Final = 16
"""Intervals in which each pair is looked at once: pods and endpoints come and go."""
_RENAMED: Final = 64
"""Pairs of one service whose rows may be named anew in a second."""


@dataclass(slots=True)
class _Known:
    """What is known of a pair. Times are unix seconds."""

    since: float
    seen: float
    found: dict[Endpoint, Meeting] = field(default_factory=dict)
    """Who answered; with the connections of which the kernel said so."""
    pod: KnownPod | None = None
    """The only one that answers."""
    asked: Asked = field(default_factory=Asked)
    opened: int = 0
    """Connections."""
    told: int = 0
    """Those that the kernel knew."""
    resolved: bool = False
    """Anybody who answers is known."""


class Backends:
    """`pod_at`: who has an endpoint at a time. `node`: the name of this one. `node_ip`: the address of a node.

    `node_at`: the node that has an address.
    """

    def __init__(
        self,
        services: Services,
        pod_at: PodAt,
        node: str = "",
        node_ip: Callable[[str], str] = lambda _: "",
        node_at: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._services = services
        self._pod_at = pod_at
        self._node = node
        self._node_ip = node_ip
        self._node_at = node_at
        self._questions: Questions | None = None
        self._now = 0.0
        self._seen: list[tuple[FlowLabels, int, int]] = []
        self._pairs: dict[Pair, _Known] = {}
        self._of_client: dict[str, set[Pair]] = {}
        self._calling: dict[str, int] = {}
        """Number of pairs by the service's address."""
        self._shared = SharedControllers(pod_at)
        self._served = Meetings()
        self._direct = Meetings()
        self._joins: dict[str, float] = {}
        """Clients whose servers on this node are to be looked at, and when."""
        self._listed_now: dict[tuple[str, int, str], frozenset[Endpoint]] = {}
        self._changed: set[str] = set()
        self._renamed: dict[str, float] = {}
        self._round: list[Pair] = []
        self._room = 0
        """New pairs of this interval: making them known costs as much as asking for them."""
        self._joined = self._found = self._missing = self._resolved = self._held_back = 0

    def ask(self, lookup: Lookup) -> None:
        """From now on the kernel is asked as well."""
        self._questions = Questions(lookup)

    # --- what happens ---------------------------------------------------------------------------

    def saw(self, labels: FlowLabels, opened: int, client_port: int) -> None:
        """A row counted something, and so many new connections among that. `client_port`: the client's own of the
        newest one, 0 where that is not known.
        """
        if labels.peer is not None and labels.local_ip:
            self._seen.append((labels, opened, client_port))

    def learn(self, now: float) -> None:
        """Once an interval."""
        self._room = int(PER_SECOND * max(1.0, min(now - self._now, _LONGEST_INTERVAL)))
        self._now = now
        self._listed_now.clear()
        self._shared.begin()
        for seen in self._seen:
            self._take(*seen)
        self._seen = []
        if self._questions:
            self._take_answers(self._questions)
            self._questions.put(now)
        self._join(now)
        self._look_around()

    def take_changed(self) -> set[str]:
        """Addresses of services of which `peer` may say another thing than before the last call.

        The more pairs an address has the more rarely it is told: each time all its rows are looked at.
        """
        ready = {each for each in self._changed if self._renamed.get(each, 0.0) <= self._now}
        self._changed -= ready
        for address in ready & self._calling.keys():
            self._renamed[address] = self._now + self._calling[address] / _RENAMED
        return ready

    # --- questions ------------------------------------------------------------------------------

    def peer(self, service: Peer, client: str, address: str, port: int, transport: str) -> Peer:
        """The service, with its pod where exactly one answers this client, or else the controller of all its pods.

        Pods of another namespace (somebody lists them by hand) are not named: the namespace is the service's.
        """
        pair = Pair(client, address, port, transport)
        known = self._pairs.get(pair)
        listed = self._listed(pair)
        pod = known.pod if known else self._only(listed, transport)
        if pod is None or pod.namespace != service.namespace:
            shared = self._shared.of((address, port, transport), listed, self._now)
            if shared is None or shared.namespace != service.namespace:
                return service
            kind, name = shared.controller
            hosted = shared.host_network
            return replace(
                service, workload_kind=kind, workload_name=name, backend_port=shared.port, host_network=hosted
            )
        answering = known.found if known and known.found else listed
        ip, its_port = min((each for each in answering if each[0] in pod.addresses), default=("", 0))
        return replace(
            service,
            workload_kind=pod.controller.kind,
            workload_name=pod.controller.name,
            pod=pod.name,
            node=pod.node,
            node_ip=self._node_ip(pod.node),
            backend_ip=ip,
            backend_port=its_port or port,
            host_network=pod.host_network,
        )

    def endpoints(self, client: str, address: str, port: int, transport: str) -> tuple[Endpoint, ...]:
        """Who was seen to answer this client, or the only one who can; empty: not known."""
        pair = Pair(client, address, port, transport)
        listed = self._listed(pair)
        known = self._pairs.get(pair)
        found = sorted(each for each in known.found if each in listed or not listed) if known else ()
        return tuple(found or (listed if len(listed) == 1 else ()))

    def of(self, client: str, address: str, port: int, transport: str) -> tuple[str, ...]:
        """The same as text: NAMESPACE/POD, or ADDRESS:PORT where no pod has the address."""
        return tuple(self._text(each, transport) for each in self.endpoints(client, address, port, transport))

    def stats(self) -> dict[str, float]:
        """`held_back`: new pairs that found no room in a second. `unresolved`: pairs of which nothing is known."""
        asked = self._questions
        found = {
            "pairs": len(self._pairs),
            "unresolved": len(self._pairs) - self._resolved,
            "joined": self._joined,
            "looked_up": asked.asked if asked else 0,
            "found": self._found,
            "missing": self._missing,
            "held_back": self._held_back + (asked.held_back if asked else 0),
            "seconds": asked.seconds if asked else 0.0,
        }
        return {f"kubernetes.backends.{name}": value for name, value in found.items()}

    # --- rows -------------------------------------------------------------------------------------

    def _take(self, labels: FlowLabels, opened: int, client_port: int) -> None:
        peer = labels.peer
        if labels.role == "server":
            if peer is not None and self._node and peer.node not in {self._node, ""}:
                return  # its agent sees that client
            endpoint = labels.local_ip, labels.port
            news = self._served.meet(labels.remote_ip, endpoint, labels.transport, self._now, opened)
            if news and labels.remote_ip in self._of_client:
                self._joins.setdefault(labels.remote_ip, self._now + _SETTLED)
                self._doubt(labels.remote_ip, endpoint)
        elif peer is not None and peer.kind == "service":
            known = self._call(Pair(labels.local_ip, labels.remote_ip, labels.port, labels.transport), client_port)
            if known is None:
                return
            known.opened += opened
            if peer.pod != (known.pod.name if known.pod and known.pod.namespace == peer.namespace else ""):
                self._changed.add(labels.remote_ip)
        else:
            self._direct.meet(labels.local_ip, (labels.remote_ip, labels.port), labels.transport, self._now)

    def _call(self, pair: Pair, client_port: int) -> _Known | None:
        known = self._pairs.get(pair)
        if known is None:
            if not self._room:
                self._held_back += 1
                return None
            self._room -= 1
            known = self._begin(pair)
        known.seen = self._now
        if self._questions and len(self._listed(pair)) != 1:
            self._questions.want(pair, client_port, known.asked, self._now)
        return known

    def _begin(self, pair: Pair) -> _Known:
        if len(self._pairs) >= _PAIRS:
            self._forget(next(iter(self._pairs)))
        listed = self._listed(pair)
        known = self._pairs[pair] = _Known(
            self._now, self._now, pod=self._only(listed, pair.transport), resolved=len(listed) == 1
        )
        self._resolved += known.resolved
        self._of_client.setdefault(pair.client, set()).add(pair)
        self._calling[pair.address] = self._calling.get(pair.address, 0) + 1
        if self._served.of(pair.client, pair.transport):
            self._joins.setdefault(pair.client, self._now + _SETTLED)
        return known

    def _forget(self, pair: Pair) -> None:
        self._resolved -= self._pairs.pop(pair).resolved
        of_client = self._of_client[pair.client]
        of_client.discard(pair)
        if not of_client:
            del self._of_client[pair.client]
        self._calling[pair.address] -= 1
        if not self._calling[pair.address]:
            del self._calling[pair.address]
            self._renamed.pop(pair.address, None)

    # --- what the kernel says ---------------------------------------------------------------------

    def _take_answers(self, questions: Questions) -> None:
        for pair, endpoint in questions.take():
            known = self._pairs.get(pair)
            if endpoint is None or endpoint == (pair.address, pair.port):
                self._missing += 1  # gone already, or translated by nobody here
            elif known is not None:
                self._found += 1
                known.told += 1
                meeting = known.found.setdefault(endpoint, Meeting(self._now))
                meeting.seen = self._now
                meeting.connections += 1
                self._resolve(known)
                if known.pod is not None:
                    self._look_at(pair, known)

    # --- servers on this node ---------------------------------------------------------------------

    def _doubt(self, client: str, endpoint: Endpoint) -> None:
        """Another one met the client: perhaps through a service of which one pod seemed to be all."""
        for pair in self._of_client[client]:
            pod = self._pairs[pair].pod
            if pod is not None and endpoint[0] not in pod.addresses and endpoint in self._listed(pair):
                self._pairs[pair].pod = None
                self._changed.add(pair.address)

    def _join(self, now: float) -> None:
        for client in [client for client, at in self._joins.items() if at <= now]:
            del self._joins[client]
            for pair in self._of_client.get(client, ()):
                known = self._pairs[pair]
                for endpoint, met in self._answering_here(pair).items():
                    self._joined += endpoint not in known.found
                    known.found.setdefault(endpoint, Meeting(met.seen))
                    self._resolve(known)

    def _met_here(self, pair: Pair) -> dict[Endpoint, Meeting]:
        """Endpoints on this node that met this client, in whatever way."""
        served = self._served.of(pair.client, pair.transport)
        return {endpoint: served[endpoint] for endpoint in served.keys() & self._listed(pair)} if served else {}

    def _answering_here(self, pair: Pair) -> dict[Endpoint, Meeting]:
        """Of these, who met it by no other way than through this service."""
        met = self._met_here(pair)
        if not met:
            return {}
        elsewise = set(self._direct.of(pair.client, pair.transport))
        elsewise.update(*(self._listed(other) for other in self._of_client[pair.client] if other != pair))
        return {endpoint: meeting for endpoint, meeting in met.items() if endpoint not in elsewise}

    # --- what is known ----------------------------------------------------------------------------

    def _look_around(self) -> None:
        """At a part of all pairs; the whole round takes `_ROUND` intervals."""
        if not self._round:
            self._round = list(self._pairs)
            self._shared.keep_only({pair[1:] for pair in self._pairs})
            self._served.forget(self._now - _REMEMBER)
            self._direct.forget(self._now - _REMEMBER)
        count = max(_ROUND, len(self._pairs)) // _ROUND + 1
        part, self._round = self._round[:count], self._round[count:]
        for pair in part:
            known = self._pairs.get(pair)
            if known is None:
                continue
            if known.seen < self._now - _REMEMBER:
                self._forget(pair)
                continue
            for endpoint, met in self._answering_here(pair).items():
                if endpoint in known.found:
                    known.found[endpoint].seen = max(met.seen, known.found[endpoint].seen)
            for endpoint in [each for each, met in known.found.items() if met.seen < known.seen - _REMEMBER]:
                del known.found[endpoint]
            self._look_at(pair, known)

    def _look_at(self, pair: Pair, known: _Known) -> None:
        """Whether exactly one pod answers, and whether that is news."""
        found = self.endpoints(*pair)
        self._resolve(known, found=bool(found))
        sure = len(found) == 1 and self._sure(pair, known, found[0])
        pod = self._only(frozenset(found), pair.transport) if sure else None
        shared_is_news = self._shared.look(pair[1:], self._listed(pair), self._now)
        if pod != known.pod or shared_is_news:
            known.pod = pod
            self._changed.add(pair.address)

    def _resolve(self, known: _Known, *, found: bool = True) -> None:
        self._resolved += found - known.resolved
        known.resolved = found

    def _sure(self, pair: Pair, known: _Known, only: Endpoint) -> bool:
        """Whether the only endpoint that was seen is the only one that answers."""
        if len(self._listed(pair)) == 1:
            return True
        if known.opened < 1 or self._now - known.since < _SURE:
            return False
        if known.told >= known.opened:
            return True
        if known.found[only].connections >= _SAMPLES and self._now - known.since >= _SAMPLED:
            return True
        met = self._met_here(pair)
        if pair.transport == "udp" or met.keys() != {only} or met != self._answering_here(pair):
            return False  # a server of UDP does not count its clients' sockets
        return met[only].connections == known.opened

    def _only(self, endpoints: frozenset[Endpoint], transport: str) -> KnownPod | None:
        """The pod of the only endpoint."""
        if len(endpoints) != 1:
            return None
        (only,) = endpoints
        return self._pod_at(only, transport, self._now)

    def _listed(self, pair: Pair) -> frozenset[Endpoint]:
        """Endpoints that can answer at the address of a service: those of its family."""
        key = pair[1:]
        listed = self._listed_now.get(key)
        if listed is None:
            found = self._services.endpoints_at(*key, of_node=bool(self._node_at(pair.address)))
            six = ":" in pair.address
            listed = self._listed_now[key] = frozenset(each for each in found if (":" in each[0]) == six)
        return listed

    def _text(self, endpoint: Endpoint, transport: str) -> str:
        pod = self._pod_at(endpoint, transport, self._now)
        if pod:
            return f"{pod.namespace}/{pod.name}"
        address, port = endpoint
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
