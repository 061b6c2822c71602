"""Rows of pods that the API server tells of late."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.config import NameSettings, Settings
from kindling.identity import Scopes
from kindling.model import NameKind, ProtocolNumber, RoleNumber, Workload
from kindling.table import Collector
from kindling.table.journal import FileJournal
from kindling.table.owners import PENDING_SECONDS
from kindling.table.recovered import recover
from unit.table.test_naming import BOOT, REMOTE, WEB, World
from unit.table.test_owners import CONTAINER, POD, InPod


class Late(World):
    """Every owner is in the same pod."""

    def __init__(self, **given: Any) -> None:
        self.pods = InPod()
        super().__init__(**given)

    def collect(self, names: NameSettings | None = None, **given: Any) -> Collector:
        settings = Settings(names=names or NameSettings())
        clock = lambda: self.probe.clock_ns / 1e9  # noqa: E731
        return Collector(self.probe, settings, self.pods, clock=clock, late=self.pods, **given)

    def connections(self) -> dict[Workload, int]:
        return dict(Counter({row.labels.workload: row.opened for row in self.rows()}))

    def requests(self) -> dict[Workload, int]:
        return {row.labels.workload: row.count for row in self.collector.snapshot().ops}

    def serve(self, requests: int) -> int:
        """A server and what it was asked; returns the slot of the operation."""
        self.probe.name(77, b"GET / HTTP/1.1\r\n\r\n")
        flow = self.probe.flow(60, owner=WEB, parent=61, role=RoleNumber.SERVER, protocol=ProtocolNumber.HTTP1)
        self.probe.add_flow(flow, opened=1)
        op = self.probe.op(61, 77, role=RoleNumber.SERVER)
        for _ in range(requests):
            self.probe.add_op(op)
        return op


def test_nothing_is_shown_under_another_name_first() -> None:
    world = Late()
    world.connect(closed=0)
    for _ in range(3):
        world.tick()
    assert world.connections() == {}
    world.pods.tell()
    world.tick()
    assert world.connections() == {POD: 1}


def test_nor_are_requests() -> None:
    world = Late()
    world.serve(3)
    for _ in range(6):
        world.tick()
    assert (world.connections(), world.requests()) == ({}, {})
    world.pods.tell()
    world.tick()
    world.tick()
    assert (world.connections(), world.requests()) == ({POD: 1}, {POD: 3})


def test_a_connection_that_is_long_closed_by_then() -> None:
    """The pod lived two seconds."""
    world = Late()
    world.connect(closed=1)
    world.tick(2)
    world.tick(2)
    world.pods.tell()
    world.tick()
    assert world.connections() == {POD: 1}


def test_what_is_never_told_is_shown_as_it_is() -> None:
    world = Late()
    world.connect()
    world.tick(PENDING_SECONDS)
    world.tick()
    assert world.connections() == {}
    for _ in range(4):
        world.tick()
    assert world.connections() == {CONTAINER: 1}


def test_told_much_later_what_comes_then_has_the_name() -> None:
    """And connections that are open go along."""
    world = Late()
    world.pods.hopeful = False
    slot = world.connect(closed=0)
    op = world.serve(2)
    world.tick()
    world.tick()
    assert (world.connections(), world.requests()) == ({CONTAINER: 1}, {CONTAINER: 2})
    world.pods.tell()
    world.tick()
    world.probe.add_flow(slot, opened=1)
    world.probe.add_op(op)
    world.tick()
    assert world.requests() == {CONTAINER: 2, POD: 1}
    assert sum(row.opened for row in world.rows()) == 3
    assert {row.labels.workload: row.active for row in world.rows() if row.labels.role == "client"} == {
        CONTAINER: 0,
        POD: 2,
    }


def test_what_it_asked_for_by_name_is_remembered() -> None:
    world = Late()
    world.answer("a.test", REMOTE)
    world.connect()
    world.tick()
    world.pods.tell()
    world.tick()
    assert world.named() == {("a.test", "dns"): 1}


def test_the_name_of_the_connection_itself_stays() -> None:
    world = Late()
    world.pods.hopeful = False
    world.probe.name(9, b"a.test", kind=NameKind.SNI)
    slot = world.connect(name=9)
    world.tick()
    world.pods.tell()
    world.tick()
    world.probe.add_flow(slot, opened=1)
    world.tick()
    found = {(row.labels.workload, row.labels.name, row.labels.evidence): row.opened for row in world.rows()}
    assert found == {(CONTAINER, "a.test", "sni"): 1, (POD, "a.test", "sni"): 1}


def test_a_pod_by_its_address() -> None:
    world = Late()
    world.pods.hopeful = False
    world.pods.lodgers["10.0.0.1"] = POD
    world.connect()
    world.tick()
    assert world.connections() == {POD: 1}


CURL = Workload("process", "curl")


class Gone(InPod):
    """The cgroup was gone before anybody looked."""

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        del cgroup, netns, comm, tgid, uid
        return CURL

    def final(self, workload: Workload) -> bool:
        del workload
        return True


def lodgers(node: str) -> Late:
    scopes = Scopes(learn_local=True)
    scopes.update_node([node])
    world = Late()
    world.pods = Gone()
    world.collector = world.collect(scopes=scopes)
    return world


def test_an_address_that_is_told_of_late() -> None:
    world = lodgers(node="192.0.2.1")
    world.connect()
    world.tick()
    world.tick()
    assert world.connections() == {}
    world.pods.lodgers["10.0.0.1"] = POD
    world.tick()
    assert world.connections() == {POD: 1}


def test_an_address_that_is_no_pod_s_is_not_waited_for_long() -> None:
    world = lodgers(node="192.0.2.1")
    world.connect()
    for _ in range(4):
        world.tick()
    assert world.connections() == {CURL: 1}


def test_programs_of_the_node_are_not_waited_for() -> None:
    world = lodgers(node="10.0.0.1")
    world.connect()
    world.tick()
    assert world.connections() == {CURL: 1}


STEPS = st.lists(st.sampled_from(["tell", "away", "back", "open", "close", "ask", "restart", "tick"]), max_size=30)


@given(STEPS)
def test_whatever_happens_totals_are_exact(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Client and server are in a pod that is told of at any time, by an API server that comes and goes."""
    path = tmp_path_factory.mktemp("late") / "journal"
    world = Late()

    def begin() -> FileJournal:
        journal = FileJournal(path)
        world.collector = world.collect(journal=journal)
        world.collector.begin(world.probe, BOOT, recover(journal, BOOT) if path.exists() else None)
        return journal

    journal = begin()
    slot, op = world.connect(), world.serve(1)
    opened = closed = asked = 1
    for step in steps:
        if step == "tell":
            world.pods.tell()
        elif step in {"away", "back"}:
            world.pods.hopeful = step == "back"
        elif step == "open":
            opened += 1
            world.connect(closed=0)
        elif step == "close" and closed < opened:
            closed += 1
            world.probe.add_flow(slot, closed=1)
        elif step == "ask":
            asked += 1
            world.probe.add_op(op)
        elif step == "restart":
            journal.close()
            journal = begin()
        else:
            world.tick()
    world.pods.tell()
    for _ in range(2):
        world.tick()
    journal.close()
    rows = [row for row in world.rows() if row.labels.role == "client"]
    assert sum(row.opened for row in rows) == opened
    assert sum(row.closed for row in rows) == closed
    assert sum(row.active for row in rows) == opened - closed
    assert all(row.active >= 0 for row in rows)
    assert sum(world.requests().values()) == asked
    assert set(world.connections()) | set(world.requests()) <= {CONTAINER, POD}
