"""Which pod answered a client of a service: what is seen in rows and what the kernel says, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from kindling.kubernetes.backends import Backends
from kindling.kubernetes.conntrack import Endpoint
from kindling.kubernetes.lookups import PER_SECOND, Pair, Question
from kindling.kubernetes.objects import EndpointSlice, Pod, Service
from kindling.kubernetes.pods import KnownPod, Pods
from kindling.kubernetes.services import Services
from kindling.model.labels import FlowLabels, Role, Transport
from kindling.model.peer import Peer
from kindling.model.workload import Workload

NOW = 1_700_000_000.0
CLIENT, VIP = "10.1.0.5", "10.96.0.10"
WEB1, WEB2, ELSEWHERE = ("10.1.0.21", 8080), ("10.1.0.22", 8080), ("10.2.0.23", 8080)
SERVICE = Peer("service", "shop", "service", "web", service="web")
POD = Peer("pod", "shop", "deployment", "web", pod="web-1")


@dataclass
class Kernel:
    """Answers with the endpoint that a port of a client was sent to."""

    sent: dict[int, Endpoint] = field(default_factory=dict)
    waiting: int = 0
    seconds: float = 0.5
    asked: list[Question] = field(default_factory=list)

    def put(self, questions: Sequence[Question]) -> None:
        self.asked += questions

    def take(self) -> list[tuple[Pair, Endpoint | None]]:
        answers = [(pair, self.sent.get(connection.client_port)) for pair, connection in self.asked]
        self.asked = []
        return answers


class World:
    """A service with endpoints, and rows that count. The names of pods: web-1 at .21, and so on."""

    def __init__(self, *endpoints: Endpoint, kernel: Kernel | None = None) -> None:
        self.now = NOW
        self.services = Services()
        self.pods = Pods("n1")
        for address, node in ((WEB1[0], "n1"), (WEB2[0], "n1"), (ELSEWHERE[0], "n2")):
            self.pod(f"web-{address[-1]}", address, node)
        ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 9000}]
        self.service("web", VIP, ports)
        self.slice("web", *endpoints)
        self.backends = Backends(self.services, self.pod_at, "n1", lambda node: f"ip of {node}")
        if kernel:
            self.backends.ask(kernel)

    def pod_at(self, endpoint: Endpoint, _transport: str, when: float) -> KnownPod | None:
        return self.pods.at(endpoint[0], when)

    def pod(self, name: str, address: str, node: str = "n1") -> None:
        found = {
            "metadata": {"name": name, "namespace": "shop", "uid": name},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", "podIPs": [{"ip": address}], "startTime": "2023-11-14T00:00:00Z"},
        }
        self.pods.put(msgspec.convert(found, Pod), NOW - 100)

    def service(self, name: str, address: str, ports: list[dict[str, Any]]) -> None:
        metadata = {"name": name, "namespace": "shop", "uid": name}
        found = {"metadata": metadata, "spec": {"clusterIPs": [address], "ports": ports}}
        self.services.put(msgspec.convert(found, Service))

    def slice(self, service: str, *endpoints: Endpoint, uid: str = "") -> None:
        labels = {"kubernetes.io/service-name": service}
        found = {
            "metadata": {"name": service, "namespace": "shop", "uid": uid or f"{service}-slice", "labels": labels},
            "endpoints": [{"addresses": [address]} for address, _ in endpoints],
            "ports": [{"name": "http", "port": port} for port in sorted({port for _, port in endpoints})],
        }
        self.services.put_slice(msgspec.convert(found, EndpointSlice))

    def call(
        self, port: int = 0, client: str = CLIENT, at: str = VIP, shown: Peer = SERVICE, connections: int = 1
    ) -> None:
        """The client's row counts; `port`: the client's own."""
        self.backends.saw(labels("client", client, at, 80, shown), connections, port)

    def serve(self, endpoint: Endpoint, client: str = CLIENT, connections: int = 1) -> None:
        """The server's row counts."""
        self.backends.saw(labels("server", endpoint[0], client, endpoint[1], POD), connections, 0)

    def pass_(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.backends.learn(self.now)

    def shown(self, client: str = CLIENT, at: str = VIP) -> str:
        return self.backends.peer(SERVICE, client, at, 80, "tcp").pod

    def of(self, client: str = CLIENT, at: str = VIP) -> tuple[str, ...]:
        return self.backends.of(client, at, 80, "tcp")

    def stat(self, name: str) -> float:
        return self.backends.stats()[f"kubernetes.backends.{name}"]


def labels(role: Role, local: str, remote: str, port: int, peer: Peer, transport: Transport = "tcp") -> FlowLabels:
    return FlowLabels(
        Workload("deployment", "front"),
        role,
        transport,
        "http",
        local,
        remote,
        port,
        "",
        "address",
        inferred=False,
        peer=peer,
    )


# --- one endpoint -----------------------------------------------------------------------------------


def test_the_only_endpoint_answers() -> None:
    world = World(ELSEWHERE)
    world.pass_()
    assert world.backends.peer(SERVICE, CLIENT, VIP, 80, "tcp") == Peer(
        "service",
        "shop",
        "pod",
        "web-3",
        pod="web-3",
        service="web",
        node="n2",
        node_ip="ip of n2",
        backend_ip=ELSEWHERE[0],
        backend_port=ELSEWHERE[1],
    )
    world.call()
    world.pass_()
    assert world.shown() == "web-3"
    assert world.stat("unresolved") == 0


def test_a_service_without_endpoints_and_an_unknown_one() -> None:
    world = World()
    assert world.shown() == ""
    assert world.of(at="10.96.0.99") == ()


def test_an_endpoint_that_no_pod_has() -> None:
    world = World(("192.0.2.7", 5432))
    assert (world.shown(), world.of()) == ("", ("192.0.2.7:5432",))


# --- both ends on this node -------------------------------------------------------------------------


def test_server_rows_tell() -> None:
    world = World(WEB1, WEB2)
    world.call()
    world.serve(WEB1)
    world.pass_()
    assert world.of() == ()  # the other rows of this client may still be on their way
    world.pass_(4)
    assert world.of() == ("shop/web-1",)
    assert world.stat("joined") == 1
    world.call(connections=3)
    world.serve(WEB1, connections=3)
    for _ in range(20):
        world.pass_()
    assert world.shown() == "web-1", "all connections of the client are connections of that server"
    assert world.backends.take_changed() == {VIP}


def test_several_answer() -> None:
    world = World(WEB1, WEB2)
    world.call()
    world.serve(WEB1)
    world.serve(WEB2)
    for _ in range(30):
        world.pass_()
    assert (world.shown(), world.of()) == ("", ("shop/web-1", "shop/web-2"))


def test_more_connections_than_servers_here_have() -> None:
    world = World(WEB1, ELSEWHERE)
    world.call(connections=2)
    world.serve(WEB1)
    for _ in range(30):
        world.pass_()
    assert (world.shown(), world.of()) == ("", ("shop/web-1",))


def test_another_client_and_another_port_tell_nothing() -> None:
    world = World(WEB1, WEB2)
    world.call()
    world.serve(WEB1, client="10.1.0.6")
    world.serve((WEB1[0], 9000))
    for _ in range(30):
        world.pass_()
    assert world.of() == ()
    assert world.stat("unresolved") == 1


def test_a_client_that_also_speaks_with_the_pod_itself() -> None:
    world = World(WEB1, WEB2)
    world.call()
    world.serve(WEB1)
    world.pass_()
    world.backends.saw(labels("client", CLIENT, *WEB1, POD), 1, 40_000)
    for _ in range(30):
        world.pass_()
    assert world.of() == ()


def test_two_services_before_the_same_pods() -> None:
    world = World(WEB1, WEB2)
    world.service("other", "10.96.0.11", [{"name": "http", "port": 80}])
    world.slice("other", WEB1, WEB2)
    world.call()
    world.call(at="10.96.0.11")
    world.serve(WEB1)
    for _ in range(30):
        world.pass_()
    assert world.of() == world.of(at="10.96.0.11") == ()


# --- the kernel is asked ----------------------------------------------------------------------------


def test_the_kernel_tells() -> None:
    world = World(WEB1, ELSEWHERE, kernel=Kernel({1001: ELSEWHERE}))
    world.call(1001)
    world.pass_()
    world.pass_()
    assert (world.shown(), world.of()) == ("", ("shop/web-3",))  # another connection may find another pod
    world.call(1001, connections=0)
    for _ in range(20):
        world.pass_()
    assert world.shown() == "web-3"
    assert (world.stat("looked_up"), world.stat("found"), world.stat("missing")) == (1, 1, 0)


def test_the_only_endpoint_is_not_asked_for() -> None:
    world = World(WEB1, kernel=Kernel({1001: WEB1}))
    world.call(1001)
    world.pass_()
    assert world.stat("looked_up") == 0


def test_each_connection_once_and_ever_more_seldom() -> None:
    world = World(WEB1, WEB2, kernel=Kernel(dict.fromkeys(range(1, 1000), WEB1)))
    for port in range(1, 301):
        world.call(port)
        world.call(port)
        world.pass_()
    assert world.stat("looked_up") == 16 + 6 + 3  # at once; after 1, 2 ... 32 seconds; each 64 seconds
    assert world.shown() == "web-1"


def test_a_few_of_many_connections_tell_who_answered_but_not_that_nobody_else_did() -> None:
    world = World(WEB1, ELSEWHERE, kernel=Kernel(dict.fromkeys(range(1, 100), ELSEWHERE)))
    world.call(1, connections=50)
    for _ in range(20):
        world.pass_()
    assert (world.shown(), world.of()) == ("", ("shop/web-3",))
    for port in range(2, 17):
        world.call(port)
        world.pass_()
    assert world.shown() == ""
    for _ in range(50):
        world.pass_()
    assert world.shown() == "web-3", "sixteen of them went there"


def test_another_server_is_a_reason_to_doubt_at_once() -> None:
    world = World(WEB1, WEB2)
    for endpoint in (WEB1, WEB2):
        world.call()
        world.serve(endpoint)
        if endpoint == WEB1:
            for _ in range(20):
                world.pass_()
            assert world.shown() == "web-1"
            world.backends.take_changed()
    world.pass_()
    assert world.shown() == ""
    assert world.backends.take_changed() == {VIP}


def test_a_client_whose_address_is_not_what_servers_see() -> None:
    world = World(WEB1, WEB2, kernel=Kernel({1: WEB1}))
    world.call(1, connections=4)
    world.serve(WEB1, client="10.1.0.1")
    world.serve(WEB2, client="10.1.0.1")
    for _ in range(20):
        world.pass_()
    assert (world.shown(), world.of()) == ("", ("shop/web-1",))


def test_one_pod_by_the_service_and_perhaps_another_that_is_also_called_directly() -> None:
    world = World(WEB1, WEB2)
    world.call()
    world.serve(WEB1)
    world.serve(WEB2)
    world.backends.saw(labels("client", CLIENT, *WEB2, POD), 1, 40_000)
    for _ in range(20):
        world.pass_()
    assert (world.shown(), world.of()) == ("", ("shop/web-1",))


def test_a_second_pod_takes_the_name_of_the_only_one_away() -> None:
    kernel = Kernel({1: WEB1, 2: WEB2})
    world = World(WEB1, WEB2, kernel=kernel)
    world.call(1)
    for _ in range(20):
        world.pass_()
    assert world.shown() == "web-1"
    world.backends.take_changed()
    world.call(2)
    world.pass_()
    world.pass_()
    assert (world.shown(), world.of()) == ("", ("shop/web-1", "shop/web-2"))
    assert world.backends.take_changed() == {VIP}


def test_what_was_not_translated_is_missing() -> None:
    world = World(WEB1, WEB2, kernel=Kernel({1: (VIP, 80)}))
    world.call(1)
    world.call(2, client="10.1.0.6")
    world.pass_()
    world.pass_()
    assert (world.stat("missing"), world.stat("unresolved"), world.of()) == (2, 2, ())


def test_beyond_the_limit_of_a_second() -> None:
    world = World(WEB1, WEB2, kernel=Kernel({1: WEB1}))
    for number in range(PER_SECOND + 500):
        world.call(1, client=f"10.3.{number >> 8}.{number & 255}")
    world.pass_()
    assert (world.stat("looked_up"), world.stat("held_back")) == (PER_SECOND, 500)
    world.pass_(0.01)  # hardly any room again
    world.call(2, client="10.4.0.1")
    assert world.stat("looked_up") == PER_SECOND


def test_no_more_is_put_than_is_answered() -> None:
    kernel = Kernel(waiting=PER_SECOND)
    world = World(WEB1, WEB2, kernel=kernel)
    world.call(1)
    world.pass_()
    assert kernel.asked == []
    assert world.stat("held_back") == 1


# --- what changes -----------------------------------------------------------------------------------


def test_a_pod_that_is_gone_answers_no_more() -> None:
    world = World(WEB1, WEB2, kernel=Kernel({1: WEB1, 2: WEB2}))
    for port in (1, 2):
        world.call(port)
        world.pass_()
    world.pass_()
    assert len(world.of()) == 2
    world.slice("web", WEB2)
    world.pass_()
    assert world.of() == ("shop/web-2",)
    for _ in range(17):
        world.pass_()
    assert world.shown() == "web-2"


def test_the_name_of_an_earlier_agent_is_looked_at_again() -> None:
    world = World(WEB1, WEB2)
    world.call(shown=Peer("service", "shop", "service", "web", pod="web-9", service="web"))
    world.pass_()
    assert world.backends.take_changed() == {VIP}


def test_pairs_are_forgotten() -> None:
    world = World(WEB1, WEB2)
    world.call()
    world.serve(WEB1)
    world.pass_()
    assert world.stat("pairs") == 1
    for _ in range(40):
        world.pass_(60)
    assert world.stat("pairs") == 0
    assert world.stat("unresolved") == 0


def test_as_many_pairs_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kindling.kubernetes.backends._PAIRS", 3)
    world = World(WEB1, WEB2)
    clients = [f"10.3.0.{number}" for number in range(5)]
    for client in clients:
        world.call(client=client)
        world.serve(WEB1, client=client)
    world.pass_()
    world.pass_(4)
    assert world.stat("pairs") == 3
    assert [client for client in clients if world.of(client)] == clients[2:]


def test_clients_of_other_nodes_are_their_agents_business() -> None:
    world = World(WEB1, WEB2)
    for client, node in ((CLIENT, "n1"), ("10.1.0.6", "n2"), ("10.1.0.7", "")):
        world.call(client=client)
        world.backends.saw(labels("server", WEB1[0], client, WEB1[1], replace(POD, node=node)), 1, 0)
    world.pass_()
    world.pass_(4)
    assert [world.of(client) for client in (CLIENT, "10.1.0.6", "10.1.0.7")] == [("shop/web-1",), (), ("shop/web-1",)]


def test_a_service_with_many_clients_is_told_more_rarely() -> None:
    world = World(WEB1, WEB2)
    for _ in range(3):
        for number in range(640):
            world.call(client=f"10.3.{number >> 8}.{number & 255}", shown=POD_SHOWN)
        world.pass_()
    assert world.backends.take_changed() == {VIP}
    world.call(client="10.3.0.1", shown=POD_SHOWN)
    world.pass_(5)
    assert world.backends.take_changed() == set()
    world.pass_(6)
    assert world.backends.take_changed() == {VIP}


POD_SHOWN = Peer("service", "shop", "service", "web", pod="gone", service="web")


def test_families_apart() -> None:
    world = World(WEB1)
    world.service("dual", "fd01::10", [{"name": "http", "port": 80}])
    world.slice("dual", ("fd00::21", 8080), uid="six")
    world.slice("dual", WEB1, uid="four")
    assert world.backends.of("fd00::5", "fd01::10", 80, "tcp") == ("[fd00::21]:8080",)
