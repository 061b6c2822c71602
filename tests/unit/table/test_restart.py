"""Killed at every single step, and everything is still counted once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from kindling.config import Limits, Recycling, Settings
from kindling.model import ProtocolNumber, Snapshot, Workload
from kindling.table import Collector
from unit.table.killing import Life, Sword
from unit.table.probe import PENDING, Probe
from unit.table.test_exact import Kernel

HASTY = Recycling(idle_seconds=0, idle_open_seconds=2, pressure=0.2, pressure_idle_seconds=0, batch=4)
SECOND = 1_000_000_000


class Mortals:
    """Processes that are gone after the tick that asked for them."""

    def __init__(self) -> None:
        self.alive: set[bytes] = set()
        self.gone: set[bytes] = set()

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        del cgroup, netns, tgid, uid
        self.alive.add(comm)
        return Workload(kind="process", name="gone" if comm in self.gone else comm.decode())

    def adopted(self, owner: int) -> Workload | None:
        del owner
        return None

    def die(self) -> None:
        self.gone |= self.alive


def pending(asked_ns: int, op: int) -> bytes:
    row: Any = np.zeros((), PENDING)
    row["ts"], row["parent"], row["op"], row["owner"] = asked_ns, 20, op, 3
    row["protocol"], row["role"], row["request_bytes"] = ProtocolNumber.DNS, 1, 40
    return bytes(row.tobytes())


class Story:
    """Some traffic that takes slots, gives them back and takes them again."""

    def __init__(self, folder: Path, kill_at: int = -1) -> None:
        self.sword = Sword()
        self.processes = Mortals()
        self.probe = Probe(owners=4, flows=16, ops=32, names=16, step=self.sword.step)
        self.life = Life(self.probe, folder, self.sword, Settings(recycling=HASTY, query_timeout=1.0), self.processes)
        self.sword.steps = 0
        self.sword.left = kill_at
        self.requests = 0
        self.opened = 0
        self.closed = 0
        self.firsts: dict[object, float] = {}
        self.counts: dict[object, int] = {}

    def tell(self) -> None:
        for chapter in range(6):
            self.talk(chapter)
            self.pass_time()
            if chapter % 2:
                self.pass_time(3)
                self.pass_time(3)

    def talk(self, chapter: int) -> None:
        probe = self.probe
        probe.owner(3, b"curl")
        probe.owner(4 + chapter % 2, b"wget")
        probe.pending[chapter] = pending(probe.clock_ns, 30)
        probe.name(30, b"\0\1www", protocol=ProtocolNumber.DNS)
        for number in range(3):
            key = 20 + (chapter + number) % 5
            op = 40 + (chapter * 2 + number) % 7
            flow = probe.flow(key, owner=3, port=key, transport=17 if key == 22 else 6)
            probe.add_flow(flow, opened=1, bytes_out=7, packets_out=1, srtt_us=5)
            if number != 1 and probe.tables["name"].free:
                probe.name(op, b"GET /%c" % (op + 57))  # or the name is missing for a while
            probe.add_op(probe.op(key, op), 1000 * op)
            self.opened += 1
            self.requests += 1
            if chapter % 3:
                probe.add_flow(probe.flow(key, owner=3, port=key), closed=1)
                self.closed += 1

    def pass_time(self, seconds: int = 1) -> None:
        self.probe.clock_ns += seconds * SECOND
        if not self.life.tick():
            self.processes.die()
        self.look(self.life.collector.snapshot())

    def look(self, snapshot: Snapshot) -> None:
        """Rows never lose anything, but to be given their name, and keep their beginning."""
        for row in snapshot.ops:
            assert self.firsts.setdefault(row.labels, row.first_seen) == row.first_seen
            assert row.count >= self.counts.get(row.labels, 0) or row.labels.operation == "?"
            self.counts[row.labels] = row.count
        for flow in snapshot.flows:
            assert self.firsts.setdefault(flow.labels, flow.first_seen) == flow.first_seen
            assert flow.opened >= self.counts.get(flow.labels, 0)
            self.counts[flow.labels] = flow.opened

    def check(self) -> None:
        for _ in range(8):
            self.pass_time(2)
        snapshot = self.life.collector.snapshot()
        assert not self.probe.pending
        assert sum(row.count for row in snapshot.ops) == self.requests + 6
        assert sum(row.count for row in snapshot.ops if row.labels.protocol == "dns") == 6
        assert snapshot.stats["unanswered"] == 6
        assert sum(row.opened for row in snapshot.flows) == self.opened
        tcp = [row for row in snapshot.flows if row.labels.transport == "tcp"]
        assert sum(row.bytes_out for row in snapshot.flows) == 7 * self.opened
        assert all(row.closed <= row.opened for row in tcp)
        for name, table in self.probe.tables.items():
            live = {slot for slot in range(1, len(table.slots)) if table.slots["head"]["live"][slot]}
            assert sorted([*live, *table.free]) == list(range(1, len(table.slots))), name
            assert set(table.ids.values()) == live

    def totals(self) -> dict[object, object]:
        """What does not depend on when it was read: a name may come before an operation is given back or after, and
        a query waits until somebody looks.
        """
        snapshot = self.life.collector.snapshot()
        totals: dict[object, object] = {
            row.labels: (row.opened, row.closed, row.active, row.bytes_out, row.srtt_us) for row in snapshot.flows
        }
        requests: Counter[object] = Counter()
        for row in snapshot.ops:
            kind = row.labels.workload, row.labels.port, row.labels.protocol
            requests[kind] += row.count
            requests[kind, "hist"] += int(row.hist.sum())
            requests[kind, "ns"] += row.duration_ns if row.labels.protocol == "http" else 0
        return totals | dict(requests)


def steps_of_the_story() -> int:
    with TemporaryDirectory() as folder:
        story = Story(Path(folder))
        story.tell()
        return story.sword.steps


STEPS = steps_of_the_story()


@pytest.fixture(scope="module")
def undisturbed() -> dict[object, object]:
    with TemporaryDirectory() as folder:
        story = Story(Path(folder))
        story.tell()
        story.check()
        return story.totals()


def test_killed_at_every_step(undisturbed: dict[object, object]) -> None:
    assert STEPS > 200
    for step in range(STEPS):
        with TemporaryDirectory() as folder:
            story = Story(Path(folder), kill_at=step)
            story.tell()
            assert story.life.starts == 2
            story.check()
            assert story.totals() == undisturbed, step


def test_killed_again_while_it_starts(undisturbed: dict[object, object]) -> None:
    """Every start is killed, ever later, until one gets through."""
    for first in range(0, STEPS, 7):
        with TemporaryDirectory() as folder:
            story = Story(Path(folder), kill_at=first)
            story.life = _Hunted(story.life)
            story.tell()
            assert story.life.starts > 2
            story.check()
            assert story.totals() == undisturbed, first


class _Hunted(Life):
    """Each process that starts after a killed one has one step more than that."""

    def __init__(self, life: Life) -> None:
        vars(self).update(vars(life))
        self._begun = life.starts

    def _start(self, boot: str) -> Collector:
        self.sword.left = self.starts - self._begun
        collector = super()._start(boot)
        self.sword.left = -1
        return collector


class Restarted(Kernel):
    """The machine of test_exact, and a user space that is killed again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.sword = Sword()
        self.probe.step = self.sword.step
        self.life = Life(self.probe, Path(self.folder.name), self.sword, Settings(recycling=self.recycling), Mortals())
        self.collector = self.life.collector

    @rule(seconds=st.integers(0, 3), step=st.integers(0, 80), again=st.integers(-1, 20))
    def tick_and_be_killed(self, seconds: int, step: int, again: int) -> None:
        self.probe.clock_ns += seconds * SECOND
        self.sword.left = step
        if self.life.tick():
            self.sword.left = again
        self.life.tick()
        self.sword.left = -1
        self.collector = self.life.collector

    @rule()
    def stop_and_start(self) -> None:
        self.life.start()
        self.collector = self.life.collector

    def teardown(self) -> None:
        self.sword.left = -1
        super().teardown()
        self.folder.cleanup()


Restarted.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestRestarted = Restarted.TestCase


class TestRest:
    """After a clean stop, when the maps vanish."""

    def test_totals_go_on_over_other_maps(self, tmp_path: Path) -> None:
        story = Story(tmp_path)
        story.tell()
        before = story.totals()
        story.life.collector.rest()
        story.life.probe = Probe()
        story.life.probe.identity = "maps 2"
        collector = story.life.start()
        assert story.totals() == before
        collector.tick()
        assert story.totals() == before

    def test_a_reboot_starts_anew(self, tmp_path: Path) -> None:
        story = Story(tmp_path)
        story.tell()
        story.life.collector.rest()
        story.life.probe = Probe()
        assert not story.life.start("another boot").snapshot().flows

    def test_maps_that_vanished(self, tmp_path: Path) -> None:
        """What is known without them is less than what was shown: rows begin anew, or totals would go back."""
        story = Story(tmp_path)
        story.tell()
        story.life.probe = Probe()
        story.life.probe.identity = "maps 2"
        assert not story.life.start().snapshot().flows


class TestIdleRows:
    def collector(self, probe: Probe, **limits: Any) -> Collector:
        settings_ = Settings(recycling=HASTY, limits=Limits(**limits))
        return Collector(probe, settings_, clock=lambda: probe.clock_ns / 1e9)

    def connect(self, probe: Probe, port: int, **counters: int) -> None:
        probe.add_flow(probe.flow(100 + port, port=port), opened=1, closed=1, **counters)

    def test_a_row_that_is_idle_for_long_goes(self) -> None:
        probe = Probe()
        collector = self.collector(probe, row_idle_seconds=60)
        self.connect(probe, 1)
        probe.add_flow(probe.flow(102, port=2), opened=1)
        for _ in range(4):
            collector.tick()
            probe.clock_ns += 50 * SECOND
        assert [row.labels.port for row in collector.snapshot().flows] == [2]
        assert collector.snapshot().stats["rows_expired"] == 1
        probe.add_flow(probe.flow(102, port=2), closed=1)
        for _ in range(4):
            collector.tick()
            probe.clock_ns += 50 * SECOND
        assert not collector.snapshot().flows

    def test_the_oldest_idle_make_room(self) -> None:
        probe = Probe()
        collector = self.collector(probe, flow_rows=10)
        for port in range(1, 31):
            self.connect(probe, port)
            for _ in range(2):
                collector.tick()
                probe.clock_ns += SECOND
        snapshot = collector.snapshot()
        assert [row.labels.port for row in snapshot.flows] == list(range(21, 31))
        assert snapshot.stats["rows_evicted"] == 20
        assert "flow_rows" not in snapshot.lost

    def test_none_goes_that_is_in_use(self) -> None:
        probe = Probe()
        collector = self.collector(probe, flow_rows=2)
        for port in (1, 2, 3):
            probe.add_flow(probe.flow(100 + port, port=port), opened=1)
        collector.tick()
        snapshot = collector.snapshot()
        assert Counter(row.labels.port for row in snapshot.flows) == Counter([1, 2, 0])
        assert snapshot.lost == {"flow_rows": 1}
