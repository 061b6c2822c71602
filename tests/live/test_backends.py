"""Who answers a client of a service, where the node's kernel really sends connections on.

The connection tracking is asked for connections of which the servers told who they are; then the whole way is gone,
from the probe to the rows. Servers and clients are sockets of this process, in the namespaces of pods.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from select import select

import msgspec
import pytest

from kindling.agent.conntrack import Asker
from kindling.config import Settings
from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.conntrack import Connection, Conntrack, Endpoint, open_link
from kindling.kubernetes.objects import AnyObject, EndpointSlice, Node, Pod, Service
from kindling.kubernetes.reflect import Change
from kindling.model import FlowRow
from kindling.table import Collector
from live.cluster import NODE4, NODES, PODS, SERVICES, SLICES, LittleCluster, Owner, Port, little_cluster
from live.cluster import Pod as PodHere
from live.dnat import PLANES, Plane, missing
from live.netns import Namespace
from live.probe import Probe, attach

pytestmark = [pytest.mark.root, pytest.mark.live]

PATIENCE = 8.0
CLIENT, FIRST, SECOND = "shop/front", "shop/back-1", "shop/back-2"
KINDS = {NODES: Node, PODS: Pod, SERVICES: Service, SLICES: EndpointSlice}
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


@dataclass(frozen=True)
class Answerer:
    """Says to everybody who it is, on both families and transports."""

    pod: PodHere
    port: int

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            for kind in (TCP, UDP):
                with self.pod.where.entered():
                    made = stack.enter_context(socket.socket(socket.AF_INET6, kind))
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(("::", self.port))
                made.settimeout(PATIENCE)
                if kind == TCP:
                    made.listen()
                _SERVERS[self.pod.name, self.port, kind] = made
            yield


_SERVERS: dict[tuple[str, int, int], socket.socket] = {}


@contextmanager
def connected(where: Namespace, address: str, port: int, kind: int) -> Iterator[tuple[socket.socket, str]]:
    """A client's socket, and the name of the pod that answered it; the server leaves when the client has left."""
    with where.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as client, ExitStack() as stack:
        client.connect((address, port))
        if kind == UDP:
            client.send(b"who?")
        servers = {server: name for (name, _, each), server in _SERVERS.items() if each == kind}
        ready, _, _ = select(servers, [], [], PATIENCE)
        assert ready, "no server was reached"
        name = servers[ready[0]]
        if kind == UDP:
            _, peer = ready[0].recvfrom(64)
            ready[0].sendto(name.encode(), peer)
        else:
            accepted, _ = ready[0].accept()
            stack.enter_context(accepted).sendall(name.encode())
        assert client.recv(64) == name.encode()
        yield client, name
        client.close()


def vip(plane: Plane, number: int, *, six: bool = False) -> str:
    """Number 1: of a service with two pods; 2: of one with the second pod only; 3: of one that the client is behind."""
    place = PLANES.index(plane) + 1
    return f"fd00:96:2::{place}{number}" if six else f"10.96.{place + 10}.{number}"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCluster]:
    with little_cluster(tmp_path_factory.mktemp("town")) as cluster, ExitStack() as stack:
        owner = Owner("StatefulSet", "back")
        client = cluster.pod(CLIENT, 10)
        first, second = cluster.pod(FIRST, 11, owner=owner), cluster.pod(SECOND, 12, owner=owner)
        for plane in cluster.planes:
            port = target(plane)
            for number, behind in enumerate(([first, second], [second], [client]), 1):
                addresses = [vip(plane, number), vip(plane, number, six=True)]
                ports = [Port(80, port, name="tcp"), Port(80, port, "udp", "udp")]
                cluster.service(f"shop/{plane.name}-{number}", addresses, ports, behind, plane)
            for pod in (first, second, client):
                stack.enter_context(Answerer(pod, port).running())
        yield cluster
        _SERVERS.clear()


def target(plane: Plane) -> int:
    """The pods' own port."""
    return 8091 + PLANES.index(plane)


@pytest.fixture(scope="module")
def conntrack(town: LittleCluster) -> Iterator[Conntrack]:
    with town.node.entered():
        made = Conntrack(open_link())
    yield made
    made.close()


def endpoint(pod: PodHere, plane: Plane, *, six: bool) -> Endpoint:
    return (pod.address6 if six else pod.address4), target(plane)


# --- the kernel is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("where", ["a pod", "the node"])
@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_the_kernel_knows_who_answers(
    town: LittleCluster, conntrack: Conntrack, plane: Plane, where: str, six: bool, kind: int
) -> None:
    if missing(plane):
        pytest.skip(missing(plane))
    place = town.pods[CLIENT].where if where == "a pod" else town.node
    answered: set[str] = set()
    for _ in range(6):  # they take turns, also for a packet that is sent again
        with connected(place, vip(plane, 1, six=six), 80, kind) as (client, name):
            asked = connection(client, kind)
            assert conntrack.ask([asked]) == [endpoint(town.pods[f"shop/{name}"], plane, six=six)]
            answered.add(name)
    assert answered == {"back-1", "back-2"}


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_a_pod_that_answers_itself(town: LittleCluster, conntrack: Conntrack, plane: Plane) -> None:
    if missing(plane):
        pytest.skip(missing(plane))
    with connected(town.pods[CLIENT].where, vip(plane, 3), 80, TCP) as (client, _):
        assert conntrack.ask([connection(client, TCP)]) == [endpoint(town.pods[CLIENT], plane, six=False)]


def test_connections_that_the_kernel_does_not_know(conntrack: Conntrack) -> None:
    unknown = [Connection("10.244.1.10", port, "10.96.11.1", 80, "tcp") for port in range(1, 200)]
    assert conntrack.ask(unknown) == [None] * len(unknown)


def connection(client: socket.socket, kind: int) -> Connection:
    (local, local_port), (remote, port) = client.getsockname()[:2], client.getpeername()[:2]
    return Connection(local, local_port, remote, port, "udp" if kind == UDP else "tcp")


# --- from the probe to the rows -----------------------------------------------------------------------


class Town:
    """A collector that knows the cluster; its clock goes as fast as it is told."""

    def __init__(self, town: LittleCluster, source: Probe) -> None:
        self.later = 0.0
        self.cluster = Cluster(node="worker-1")
        for path, kind in KINDS.items():
            _, found = town.api.page(path, {})
            for each in found["items"]:
                made: AnyObject = msgspec.convert(each, kind)
                self.cluster.apply(kind, Change("put", made), self.now())
        self.collector = Collector(source.source, Settings(), clock=self.now, peers=self.cluster)

    def now(self) -> float:
        return time.time() + self.later

    def tick(self, seconds: float = 0.0) -> None:
        """One reading, so many seconds later."""
        self.later += seconds
        self.cluster.refresh(self.now())
        self.collector.tick()

    def row(self, address: str, client: str) -> FlowRow:
        """Where the client's connection is that is open."""
        rows = self.collector.snapshot().flows
        (row,) = (
            row for row in rows if (row.labels.remote_ip, row.labels.local_ip, row.active) == (address, client, 1)
        )
        return row

    def shown(self, address: str, client: str) -> tuple[str, tuple[str, ...]]:
        """Pod and service of the peer, and all who were seen to answer."""
        labels = self.row(address, client).labels
        assert labels.peer is not None
        assert labels.peer.kind == "service"
        return labels.peer.pod, self.cluster.backends.of(client, address, labels.port, labels.transport)

    def stat(self, name: str) -> float:
        return self.cluster.backends.stats()[f"kubernetes.backends.{name}"]


@pytest.fixture
def probe() -> Iterator[Probe]:
    """One that nothing is in yet."""
    with attach() as source:
        source.adopt({})
        yield Probe(source)


@pytest.fixture
def asked(town: LittleCluster, probe: Probe) -> Iterator[Town]:
    """With the node's connection tracking."""
    made = Town(town, probe)
    with town.node.entered():
        asker = Asker(Conntrack(open_link()))
    made.cluster.backends.ask(asker)
    yield made
    asker.close()


@pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
def test_two_pods_answer(town: LittleCluster, asked: Town, six: bool, kind: int) -> None:
    pod, address = town.pods[CLIENT], vip(PLANES[0], 1, six=six)
    answered: set[str] = set()
    while len(answered) < 2:
        settle(asked)  # the connection before is closed
        with connected(pod.where, address, 80, kind) as (_, name):
            answered.add(name)
            settle(asked)
            pods = tuple(f"shop/{each}" for each in sorted(answered))
            assert asked.shown(address, pod.address6 if six else pod.address4) == (name if len(pods) == 1 else "", pods)
    assert asked.stat("found") >= 2


def test_a_client_on_the_host_network(town: LittleCluster, asked: Town) -> None:
    address = vip(PLANES[0], 1)
    with connected(town.node, address, 80, TCP) as (_, name):
        settle(asked)
        assert asked.shown(address, NODE4) == (name, (f"shop/{name}",))
    assert asked.stat("found") == 1


def test_the_only_endpoint(town: LittleCluster, asked: Town) -> None:
    pod, address = town.pods[CLIENT], vip(PLANES[0], 2)
    with connected(pod.where, address, 80, TCP):
        asked.tick()
        assert asked.shown(address, pod.address4) == ("back-2", (SECOND,))
    assert asked.stat("looked_up") == 0


def test_servers_of_this_node_tell(town: LittleCluster, probe: Probe) -> None:
    """Nobody is asked."""
    alone = Town(town, probe)
    pod, address = town.pods[CLIENT], vip(PLANES[0], 1)
    answered: set[str] = set()
    while len(answered) < 2:
        with connected(pod.where, address, 80, TCP) as (_, name):
            answered.add(name)
            settle(alone)
            pods = tuple(f"shop/{each}" for each in sorted(answered))
            assert alone.shown(address, pod.address4) == (name if len(pods) == 1 else "", pods)


def test_a_server_that_does_not_see_the_client(town: LittleCluster, probe: Probe) -> None:
    """A pod that calls a service it is behind: to itself it seems to be the node."""
    alone = Town(town, probe)
    pod, address = town.pods[FIRST], vip(PLANES[0], 1)
    by_itself = False
    while not by_itself:
        with connected(pod.where, address, 80, TCP) as (_, name):
            by_itself = name == "back-1"
            settle(alone)
            assert alone.shown(address, pod.address4)[0] == ("" if by_itself else name)


def settle(town: Town) -> None:
    """Both ends are rows, answers came, and all pairs were looked at since."""
    town.tick()
    time.sleep(0.05)
    for _ in range(24):
        town.tick(1)
