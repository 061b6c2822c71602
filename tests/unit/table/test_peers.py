"""Who of the cluster a flow leads to, however late that is known and whoever has the address by then."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.identity import Scopes
from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.objects import EndpointSlice, Pod, Service
from kindling.kubernetes.reflect import Change
from kindling.model import UNKNOWN_POD, FlowRow, Peer, RoleNumber
from kindling.table import Collector
from kindling.table.journal import FileJournal
from kindling.table.recovered import recover
from unit.table.probe import Probe
from unit.table.test_naming import BOOT, World

POD_IP, SERVICE_IP = "10.1.0.5", "10.96.0.10"
OP = 7


class Following(Cluster):
    """A cluster that is told what happens, and when it was read."""

    def __init__(self, *, read: bool = True) -> None:
        super().__init__(node="n1")
        self.read = read

    @property
    def synced(self) -> bool:
        return self.read


class Town(World):
    """A host in a cluster."""

    probe: Probe

    def __init__(self, *, read: bool = True, **given: Any) -> None:
        self.cluster = Following(read=read)
        super().__init__(peers=self.cluster, **given)

    @property
    def now(self) -> float:
        return self.probe.clock_ns / 1e9

    def apply(self, action: Any, found: dict[str, Any], kind: type[Any] = Pod) -> None:
        self.cluster.apply(kind, Change(action, msgspec.convert(found, kind)), self.now)

    def pod(self, name: str, address: str = POD_IP, action: str = "put") -> None:
        self.apply(
            action,
            {
                "metadata": {"name": name, "namespace": "shop", "uid": name},
                "spec": {"nodeName": "n2"},
                "status": {"phase": "Running", "podIPs": [{"ip": address}]},
            },
        )

    def slice(self, *endpoints: tuple[str, int], service: str = "web") -> None:
        address, port = endpoints[0]
        found = {
            "metadata": {"uid": service, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
            "endpoints": [{"addresses": [address]}],
            "ports": [{"port": port}],
        }
        self.apply("put", found, EndpointSlice)

    def tick(self, seconds: float = 1) -> None:
        self.cluster.refresh(self.now)
        super().tick(seconds)

    def peers(self) -> dict[Peer | None, int]:
        """Connections by who is there; two rows of one would be a failure."""
        found = [(row.labels.peer, row.opened) for row in self.rows()]
        assert len(dict(found)) == len(found)
        return dict(found)


def known(name: str, service: str = "") -> Peer:
    return Peer("pod", "shop", "pod", name, pod=name, service=service, node="n2")


def outside(rows: list[FlowRow]) -> set[str]:
    return {row.labels.remote_ip for row in rows if row.labels.outside}


def test_who_is_there() -> None:
    town = Town()
    town.pod("web")
    town.slice((POD_IP, 8080))
    spec = {"metadata": {"name": "web", "namespace": "shop", "uid": "s"}, "spec": {"clusterIP": SERVICE_IP}}
    town.apply("put", spec, Service)
    town.connect(50, remote=POD_IP, port=8080)
    town.connect(51, remote=SERVICE_IP, port=80)
    town.connect(52, remote="8.8.4.4", port=443)
    town.connect(53, remote="127.0.0.1")
    town.connect(54, remote=POD_IP, port=8080, role=RoleNumber.SERVER)
    town.tick()
    assert {(row.labels.remote_ip, row.labels.role): row.labels.peer for row in town.rows()} == {
        (POD_IP, "client"): known("web", "web"),
        (POD_IP, "server"): known("web"),
        (SERVICE_IP, "client"): Peer("service", "shop", "service", "web", service="web"),
        ("8.8.4.4", "client"): None,
        ("127.0.0.1", "client"): None,
    }
    assert outside(town.rows()) == {"8.8.4.4"}


def test_the_name_asked_for_stays_beside_the_peer() -> None:
    town = Town()
    town.pod("web")
    town.answer("web.shop.svc.cluster.local", POD_IP)
    town.connect(remote=POD_IP)
    town.tick()
    (row,) = town.rows()
    assert (row.labels.name, row.labels.evidence, row.labels.peer, row.labels.outside) == (
        "web.shop.svc.cluster.local",
        "dns",
        known("web"),
        False,
    )


def test_a_pod_that_is_known_a_moment_later() -> None:
    town = Town()
    town.connect(remote=POD_IP)
    town.tick()
    assert not town.rows(), "news of the cluster may be on their way"
    town.pod("web")
    town.tick()
    assert town.peers() == {known("web"): 1}


def test_an_address_that_nobody_of_the_cluster_has() -> None:
    town = Town()
    town.connect(remote="10.9.9.9")
    for _ in range(4):
        town.tick()
    assert town.peers() == {None: 1}
    assert outside(town.rows()) == {"10.9.9.9"}


def test_a_pod_that_is_known_very_late() -> None:
    """What was counted by then stays where it is."""
    town = Town()
    town.connect(remote=POD_IP)
    for _ in range(5):
        town.tick()
    town.connect(remote=POD_IP)
    town.pod("web")
    town.tick()
    assert town.peers() == {None: 1, known("web"): 1}


def test_nothing_is_named_before_the_cluster_was_read() -> None:
    town = Town(read=False)
    town.connect(remote="8.8.8.8")
    for _ in range(6):
        town.tick()
        assert not town.rows()
    town.pod("web", "8.8.8.8")
    town.cluster.read = True
    town.tick()
    assert town.peers() == {known("web"): 1}


def test_the_api_server_is_away_from_the_beginning() -> None:
    """Data goes on after a while; what the connection led to is said as soon as it is known."""
    town = Town(read=False)
    town.connect()
    for _ in range(15):
        town.tick()
    assert town.peers() == {None: 1}
    town.pod("web", "192.0.2.9")
    town.cluster.read = True
    town.connect()
    town.tick()
    assert town.peers() == {None: 1, known("web"): 1}


def test_an_address_goes_from_one_pod_to_another() -> None:
    town = Town()
    town.pod("old")
    town.connect(remote=POD_IP)
    town.tick()
    town.pod("old", action="delete")
    town.probe.clock_ns += 1_000_000_000
    town.pod("new")
    town.connect(remote=POD_IP)
    town.tick()
    assert town.peers() == {known("old"): 1, known("new"): 1}


def test_between_two_pods_no_name_is_better_than_the_old_one() -> None:
    town = Town()
    town.pod("old")
    town.connect(remote=POD_IP)
    town.tick()
    town.pod("old", action="delete")
    town.connect(remote=POD_IP)
    town.tick()
    assert town.peers() == {known("old"): 1}, "the other one may be the next pod's"
    for _ in range(3):
        town.tick()
    assert town.peers() == {known("old"): 1, UNKNOWN_POD: 1}
    town.connect(remote=POD_IP)
    town.pod("new")
    town.tick()
    assert town.peers() == {known("old"): 1, UNKNOWN_POD: 1, known("new"): 1}
    assert not outside(town.rows())


def test_the_next_pod_is_told_of_after_its_first_connections() -> None:
    town = Town()
    town.pod("old")
    town.probe.name(OP, b"GET /a HTTP/1.1")
    town.connect(remote=POD_IP)
    ask = town.probe.op(50, OP, 0)
    town.probe.add_op(ask, 1_000)
    town.tick()
    town.pod("old", action="delete")
    town.connect(remote=POD_IP)
    town.probe.add_op(ask, 1_000)
    town.tick()
    town.connect(remote=POD_IP)
    town.probe.add_op(town.probe.op(50, OP, 1), 1_000)
    town.tick()
    town.pod("new")
    town.tick()
    assert town.peers() == {known("old"): 1, known("new"): 2}
    ops = town.collector.snapshot().ops
    assert sorted((row.labels.peer.pod, row.count) for row in ops if row.labels.peer) == [
        ("new", 1),
        ("new", 1),
        ("old", 1),
    ]


def test_the_agent_stops_while_it_waits_for_the_next_pod() -> None:
    town = Town()
    town.pod("old")
    town.connect(remote=POD_IP)
    town.tick()
    town.pod("old", action="delete")
    town.connect(remote=POD_IP)
    town.tick()
    town.collector.rest()
    assert town.peers() == {known("old"): 1, UNKNOWN_POD: 1}


def test_a_new_flow_to_an_address_between_two_pods() -> None:
    town = Town()
    town.pod("old")
    town.tick()
    town.pod("old", action="delete")
    for _ in range(5):
        town.tick()
    town.connect(remote=POD_IP)
    town.tick()
    town.pod("new")
    town.tick()
    assert town.peers() == {known("new"): 1}


def test_a_pod_that_lived_for_a_moment() -> None:
    """It is gone before its flow is looked at the next time: the first look counts."""
    town = Town()
    town.connect(remote=POD_IP)
    town.tick(0.5)
    town.pod("short")
    town.probe.clock_ns += 200_000_000
    town.pod("short", action="delete")
    town.tick(5)
    assert town.peers() == {known("short"): 1}


def test_connections_that_were_open_when_the_slot_was_given_back() -> None:
    """They keep their row; an address that is another pod's by then does not."""
    town = Town()
    town.pod("old")
    slot = town.connect(remote=POD_IP, closed=0)
    town.tick()
    town.tick(100_000)
    town.tick()
    assert slot not in town.collector._flows._bindings, "the slot was given back"
    town.pod("old", action="delete")
    town.tick(10)
    town.pod("new")
    town.connect(remote=POD_IP)
    town.tick()
    assert town.peers()[known("new")] == 1


def test_requests_follow_their_flow() -> None:
    town = Town()
    town.pod("old")
    town.probe.name(OP, b"GET /a HTTP/1.1")
    town.connect(50, remote=POD_IP)
    ask = town.probe.op(50, OP, 0)
    town.probe.add_op(ask, 1_000)
    town.tick()
    town.pod("old", action="delete")
    town.pod("new")
    town.probe.add_op(ask, 1_000)
    town.tick()
    ops = town.collector.snapshot().ops
    assert {row.labels.peer: row.count for row in ops} == {known("old"): 1, known("new"): 1}


def test_the_service_that_an_own_endpoint_answers_for() -> None:
    """It tells no rows apart: an endpoint is listed only after its first connections."""
    town = Town(scopes=Scopes(learn_local=True))
    town.pod("client", "10.1.0.9")
    town.probe.name(OP, b"GET /a HTTP/1.1")
    town.connect(50, parent=60, local=POD_IP, remote="10.1.0.9", port=8080, role=RoleNumber.SERVER)
    town.probe.add_op(town.probe.op(60, OP, 0), 1_000)
    town.tick()
    (flow,), (op,) = town.rows(), town.collector.snapshot().ops
    assert (flow.labels.service, op.labels.service) == ("", "")
    town.slice((POD_IP, 8080))
    town.tick()
    assert (flow.labels.service, op.labels.service) == ("web", "web")
    assert op.labels.peer is None


def test_an_address_of_this_node_that_the_cluster_does_not_list() -> None:
    town = Town(scopes=Scopes(own=["10.0.0.100"]))
    town.connect(remote="10.0.0.100", port=53)
    for _ in range(4):
        town.tick()
    assert town.peers() == {Peer("node", workload_kind="node", workload_name="n1", node="n1"): 1}


def test_a_pod_beside_that_is_told_of_late_is_never_the_node() -> None:
    """Its network namespace was seen before the API server told of it."""
    scopes = Scopes(own=["10.0.0.100", POD_IP])
    scopes.update_node(["10.0.0.100"])
    town = Town(scopes=scopes)
    slot = town.connect(remote=POD_IP, closed=0)
    for _ in range(5):
        town.tick()
    assert town.peers() == {None: 1}
    assert outside(town.rows()) == set()
    town.pod("web")
    town.tick()
    town.probe.add_flow(slot, opened=1)
    town.tick()
    assert town.peers() == {None: 1, known("web"): 1}


STEPS = st.lists(
    st.sampled_from(["a", "b", "-a", "-b", "open", "close", "restart", "tick", "sync"]),
    max_size=30,
)


@given(STEPS)
@pytest.mark.usefixtures("tmp_path")
def test_whatever_happens_totals_are_exact(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    path = tmp_path_factory.mktemp("peers") / "journal"
    town = Town(read=False)

    def collect(journal: FileJournal) -> Collector:
        return town.collect(journal=journal, peers=town.cluster)

    journal = FileJournal(path)
    town.collector = collect(journal)
    town.collector.begin(town.probe, BOOT, None)
    slot = town.connect(remote=POD_IP)
    opened = closed = 1
    for step in steps:
        if step == "tick":
            town.tick()
        elif step == "sync":
            town.cluster.read = True
        elif step == "restart":
            journal.close()
            journal = FileJournal(path)
            town.collector = collect(journal)
            town.collector.begin(town.probe, BOOT, recover(journal, BOOT))
        elif step == "open":
            opened += 1
            town.connect(closed=0, remote=POD_IP)
        elif step == "close":
            if closed < opened:
                closed += 1
                town.probe.add_flow(slot, closed=1)
        else:
            town.pod(step.removeprefix("-"), action="delete" if step[0] == "-" else "put")
    town.cluster.read = True
    for _ in range(5):
        town.tick()
    journal.close()
    rows = town.rows()
    assert sum(row.opened for row in rows) == opened
    assert sum(row.closed for row in rows) == closed
    assert sum(row.active for row in rows) == opened - closed
    assert sum(row.bytes_out for row in rows) == 100 * opened
    assert all(row.active >= 0 for row in rows)


def test_rows_with_peers_survive_a_restart(tmp_path: Any) -> None:
    town = Town()
    journal = FileJournal(tmp_path / "journal")
    town.collector = town.collect(journal=journal, peers=town.cluster)
    town.collector.begin(town.probe, BOOT, None)
    town.pod("web")
    town.connect(remote=POD_IP)
    town.tick()
    town.cluster = Following()
    town.pod("web")
    journal.close()
    with closing(FileJournal(tmp_path / "journal")) as again:
        town.collector = town.collect(journal=again, peers=town.cluster)
        town.collector.begin(town.probe, BOOT, recover(again, BOOT))
    town.connect(remote=POD_IP)
    town.tick()
    assert town.peers() == {known("web"): 2}


def test_an_address_that_became_anothers_while_no_agent_ran(tmp_path: Any) -> None:
    town = Town()
    journal = FileJournal(tmp_path / "journal")
    town.collector = town.collect(journal=journal, peers=town.cluster)
    town.collector.begin(town.probe, BOOT, None)
    town.pod("old")
    town.pod("gone", "10.1.0.6")
    town.connect(50, remote=POD_IP)
    town.connect(51, remote="10.1.0.6")
    town.tick()
    town.cluster = Following()
    town.pod("new")
    journal.close()
    with closing(FileJournal(tmp_path / "journal")) as again:
        town.collector = town.collect(journal=again, peers=town.cluster)
        town.collector.begin(town.probe, BOOT, recover(again, BOOT))
    town.tick()
    town.connect(50, remote=POD_IP)
    town.connect(51, remote="10.1.0.6")
    for _ in range(4):
        town.tick()
    assert town.peers() == {known("old"): 1, known("new"): 1, known("gone"): 1, UNKNOWN_POD: 1}
