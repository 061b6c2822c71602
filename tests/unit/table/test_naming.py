"""Which name a connection is counted under, and on which evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from kindling.config import NameSettings, Network, Settings
from kindling.identity import Scopes
from kindling.identity.hosts import StaticNames
from kindling.model import EventKind, FlowRow, NameKind, ProtocolNumber, RoleNumber, Workload
from kindling.table import Collector
from kindling.table.journal import FileJournal
from kindling.table.recovered import recover
from unit.table.probe import EVENT_DNS, Probe, event

WEB, JOB = 3, 4
REMOTE = "192.0.2.9"
BOOT = "this boot"


class Somebody:
    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        return Workload("process", comm.decode(), pid=tgid)

    def adopted(self, owner: int) -> Workload | None:
        return None


class World:
    def __init__(self, **given: Any) -> None:
        self.probe = Probe()
        self.probe.owner(WEB, b"web")
        self.probe.owner(JOB, b"job")
        self.collector = self.collect(**given)

    def collect(self, names: NameSettings | None = None, **given: Any) -> Collector:
        settings = Settings(names=names or NameSettings())
        return Collector(self.probe, settings, Somebody(), clock=lambda: self.probe.clock_ns / 1e9, **given)

    def answer(self, name: str, *addresses: str, owner: int = WEB, alias: str = "", rcode: str = "NOERROR") -> None:
        message = DNSRecord.question(name, "AAAA" if ":" in "".join(addresses) else "A").reply()
        message.header.rcode = getattr(RCODE, rcode)
        if alias:
            message.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(alias), ttl=0))
        for each in addresses:
            kind, data = (QTYPE.AAAA, AAAA(each)) if ":" in each else (QTYPE.A, A(each))
            message.add_answer(RR(alias or name, kind, rdata=data, ttl=0))
        packed = bytes(message.pack())
        self.probe.ring.append(
            event(
                EventKind.DNS, EVENT_DNS, owner=owner, role=RoleNumber.CLIENT, remote="10.0.0.53", local="10.0.0.1",
                message=packed, len=len(packed), full_len=len(packed), ts=self.probe.clock_ns,
            )
        )  # fmt: skip

    def connect(self, key: int = 50, *, owner: int = WEB, closed: int = 1, **labels: Any) -> int:
        slot = self.probe.flow(key, owner=owner, protocol=ProtocolNumber.UNKNOWN, **({"remote": REMOTE} | labels))
        self.probe.add_flow(slot, opened=1, closed=closed, bytes_out=100)
        return slot

    def tick(self, seconds: float = 1) -> None:
        self.collector.tick()
        self.probe.clock_ns += int(seconds * 1e9)

    def rows(self) -> list[FlowRow]:
        return self.collector.snapshot().flows

    def named(self) -> dict[tuple[str, str], int]:
        """Connections by name and evidence; two rows of one name would be a failure."""
        found = [((row.labels.name, row.labels.evidence), row.opened) for row in self.rows()]
        assert len(dict(found)) == len(found)
        return dict(found)


def test_answer_and_connection_in_one_reading_whatever_is_read_first() -> None:
    """The slot was there before the events were taken, so the answer was, too."""
    world = World()
    world.connect()
    world.answer("a.test", REMOTE)
    world.tick()
    assert world.named() == {("a.test", "dns"): 1}


def test_flow_that_appears_while_the_events_are_taken() -> None:
    """It waits for the next reading, and so finds an answer that came in between."""
    world = World()
    events = world.probe.events

    def racing() -> Any:
        taken = events()
        world.answer("a.test", REMOTE)
        world.connect()
        return taken

    world.probe.events = racing  # type: ignore[method-assign]
    world.tick()
    world.probe.events = events  # type: ignore[method-assign]
    assert world.named() == {}
    world.tick()
    assert world.named() == {("a.test", "dns"): 1}


def test_workload_that_appears_while_the_events_are_taken() -> None:
    world = World()
    world.tick()
    events = world.probe.events

    def racing() -> Any:
        world.probe.owner(5, b"curl")
        world.answer("a.test", REMOTE, owner=5)
        return events()

    world.probe.events = racing  # type: ignore[method-assign]
    world.tick()
    world.connect(owner=5)
    world.tick()
    assert world.named() == {("a.test", "dns"): 1}


def test_the_ladder(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.1 static.test\n192.0.2.2 static.test\n192.0.2.3 static.test\n")
    world = World(static=StaticNames(path=hosts))
    world.answer("node.test", "192.0.2.2", "192.0.2.3", "192.0.2.4", owner=JOB)
    world.answer("own.test", "192.0.2.3", "192.0.2.4")
    world.probe.name(9, b"sni.test", NameKind.SNI)
    for i in range(5):
        world.connect(50 + i, remote=f"192.0.2.{i}", name=9 if i == 4 else 0)
    world.tick()
    assert {row.labels.remote_ip: (row.labels.name, row.labels.evidence) for row in world.rows()} == {
        "192.0.2.0": ("", "address"),
        "192.0.2.1": ("static.test", "static"),
        "192.0.2.2": ("node.test", "node-dns"),
        "192.0.2.3": ("own.test", "dns"),
        "192.0.2.4": ("sni.test", "sni"),
    }


def test_aliases_the_name_asked_for_wins() -> None:
    world = World()
    world.answer("www.test", REMOTE, alias="edge.cdn.test")
    world.connect()
    world.tick()
    assert world.named() == {("www.test", "dns"): 1}


def test_search_domains() -> None:
    """The name that was answered, not those that were tried before."""
    world = World()
    world.answer("db.shop.svc.cluster.local", rcode="NXDOMAIN")
    world.answer("db.svc.cluster.local", REMOTE)
    world.answer("db.cluster.local", rcode="NXDOMAIN")
    world.answer("db", rcode="SERVFAIL")
    world.connect()
    world.tick()
    assert world.named() == {("db.svc.cluster.local", "dns"): 1}
    assert len(world.collector.snapshot().answers) == 4


def test_an_answer_of_failure_names_nothing() -> None:
    world = World()
    world.answer("a.test", REMOTE, rcode="REFUSED")
    world.connect()
    world.tick()
    assert world.named() == {("", "address"): 1}


def test_one_name_on_many_addresses() -> None:
    world = World()
    world.answer("a.test", "192.0.2.1", "192.0.2.2")
    world.answer("a.test", "2001:db8::1")
    for i, remote in enumerate(("192.0.2.1", "192.0.2.2", "2001:db8::1")):
        world.connect(50 + i, remote=remote)
    world.tick()
    assert {row.labels.name for row in world.rows()} == {"a.test"}


def test_two_names_behind_one_address_one_after_the_other() -> None:
    """The probe has one slot for both: from the second answer on it counts for another row."""
    world = World()
    world.answer("a.test", REMOTE)
    world.connect()
    world.tick()
    world.connect()
    world.tick()
    world.answer("b.test", REMOTE)
    world.connect()
    world.tick()
    assert world.named() == {("a.test", "dns"): 2, ("b.test", "dns"): 1}
    world.answer("a.test", REMOTE)
    world.connect()
    world.tick()
    assert world.named() == {("a.test", "dns"): 3, ("b.test", "dns"): 1}
    assert sum(row.bytes_out for row in world.rows()) == 400


def test_an_answer_to_another_workload_changes_nothing_for_one_with_its_own() -> None:
    world = World()
    world.answer("a.test", REMOTE)
    world.connect()
    world.tick()
    world.answer("b.test", REMOTE, owner=JOB)
    world.connect()
    world.tick()
    assert world.named() == {("a.test", "dns"): 2}


def test_answer_after_the_connection() -> None:
    """What was counted by then was reached without asking; what follows has a name."""
    world = World()
    world.connect()
    world.tick()
    world.answer("a.test", REMOTE)
    world.connect()
    world.tick()
    assert world.named() == {("", "address"): 1, ("a.test", "dns"): 1}


def test_open_connections_of_before() -> None:
    world = World()
    world.answer("a.test", REMOTE)
    slot = world.connect(closed=0)
    world.tick()
    world.answer("b.test", REMOTE)
    world.connect(closed=0)
    world.tick()
    assert {row.labels.name: (row.opened, row.active) for row in world.rows()} == {"a.test": (1, 0), "b.test": (1, 2)}
    world.probe.add_flow(slot, closed=2)
    world.tick()
    assert {row.labels.name: (row.opened, row.active) for row in world.rows()} == {"a.test": (1, 0), "b.test": (1, 0)}


def test_names_of_connections_themselves_stay() -> None:
    world = World()
    world.probe.name(9, b"sni.test", NameKind.SNI)
    world.connect(name=9)
    world.tick()
    world.answer("b.test", REMOTE)
    world.connect(name=9)
    world.tick()
    assert world.named() == {("sni.test", "sni"): 2}


def test_a_static_name_that_is_entered_later(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    static = StaticNames(path=hosts)
    world = World(static=static)
    world.connect()
    world.tick()
    hosts.write_text(f"{REMOTE} static.test\n")
    static.read()
    world.connect()
    world.tick()
    assert world.named() == {("", "address"): 1, ("static.test", "static"): 1}


def test_too_many_names_of_one_domain() -> None:
    world = World(names=NameSettings(per_domain=2))
    for i in range(5):
        world.probe.name(100 + i, f"b{i}.s3.amazonaws.com".encode(), NameKind.HOST)
        world.connect(50 + i, name=100 + i)
    world.tick()
    assert world.named() == {
        ("b0.s3.amazonaws.com", "host"): 1,
        ("b1.s3.amazonaws.com", "host"): 1,
        ("*.s3.amazonaws.com", "host"): 3,
    }
    assert world.collector.stats()["names_grouped"] == 3


def test_scopes_and_networks() -> None:
    world = World(names=NameSettings(networks=(Network("192.0.2.0/24", "office", "public"),)))
    world.connect(50)
    world.connect(51, remote="10.1.2.3")
    world.tick()
    assert {row.labels.remote_ip: (row.labels.scope, row.labels.network) for row in world.rows()} == {
        REMOTE: ("public", "office"),
        "10.1.2.3": ("private", ""),
    }


def test_both_ends_on_this_host() -> None:
    world = World(scopes=Scopes(learn_local=True))
    world.connect(50, local="10.0.0.1", remote="10.0.0.2")
    world.connect(51, local="10.0.0.2", remote="10.0.0.1", role=RoleNumber.SERVER)
    world.tick()
    assert {row.labels.scope for row in world.rows()} == {"own"}


def test_an_address_that_turns_out_to_be_own() -> None:
    scopes = Scopes()
    world = World(scopes=scopes)
    world.connect()
    world.tick()
    assert [row.labels.scope for row in world.rows()] == ["private"]
    scopes.update([REMOTE])
    world.connect()
    world.tick()
    assert [(row.labels.scope, row.opened) for row in world.rows()] == [("own", 2)], "it is the same row"


@given(
    st.lists(
        st.sampled_from(["a.test", "b.test", "open", "open and close", "close", "restart", "tick"]),
        max_size=25,
    )
)
@pytest.mark.usefixtures("tmp_path")
def test_whatever_happens_totals_are_exact(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    path = tmp_path_factory.mktemp("names") / "journal"
    world = World()
    journal = FileJournal(path)
    world.collector = world.collect(journal=journal)
    world.collector.begin(world.probe, BOOT, None)
    opened = closed = 0
    slot = world.connect()
    opened, closed = 1, 1
    for step in steps:
        if step == "tick":
            world.tick()
        elif step == "restart":
            journal.close()
            world.collector = world.collect(journal=(journal := FileJournal(path)))
            world.collector.begin(world.probe, BOOT, recover(journal, BOOT))
        elif step.endswith(".test"):
            world.answer(step, REMOTE)
        elif step != "close":
            opened += 1
            closed += step == "open and close"
            world.connect(closed=int(step == "open and close"))
        elif closed < opened:
            closed += 1
            world.probe.add_flow(slot, closed=1)
    world.tick()
    world.tick()
    journal.close()
    rows = world.rows()
    assert sum(row.opened for row in rows) == opened
    assert sum(row.closed for row in rows) == closed
    assert sum(row.active for row in rows) == opened - closed
    assert sum(row.bytes_out for row in rows) == 100 * opened
    assert all(row.active >= 0 and row.closed >= 0 for row in rows)
