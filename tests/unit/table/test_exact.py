"""Exactness: whatever the order of events, every increment is counted once.

The machine is a kernel that can be stopped anywhere: a program holds a slot's number while the
collector reads and gives slots back. A grace period lets held programs finish, as the kernel's does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kindling.config import Recycling, Settings
from kindling.model.histogram import bucket
from kindling.table import Collector
from unit.table.probe import Probe

ENDPOINTS = st.integers(10, 15)
OPERATIONS = st.integers(1, 9)
STATUSES = st.sampled_from([200, 404, 0])
DURATIONS = st.integers(0, 1 << 40)


class Kernel(RuleBasedStateMachine):
    """A probe with very few slots, so that they are given back and taken again all the time."""

    recycling = Recycling(idle_seconds=0, idle_open_seconds=2, pressure_idle_seconds=0, batch=4)

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Callable[[], None]] = []
        self.probe = Probe(flows=6, ops=6, names=6, owners=4, grace=self.finish_held)
        self.collector = Collector(
            self.probe,
            Settings(recycling=self.recycling),
            clock=lambda: self.probe.clock_ns / 1e9,
        )
        self.requests: Counter[str] = Counter()
        self.lost_names = 0
        self.total = 0
        self.duration = 0
        self.hist: Counter[int] = Counter()
        self.opened = 0
        self.closed = 0
        self.unsettled = 0
        self.bytes_out = 0
        self.open: list[int] = []
        self.remembered: dict[int, tuple[int, int]] = {}

    def finish_held(self) -> None:
        held, self.held = self.held, []
        for program in held:
            program()

    def run(self, program: Callable[[], None], held: bool) -> None:
        if held:
            self.held.append(program)
        else:
            program()

    def enter(self, endpoint: int, op: int) -> None:
        """What the probe enters before the operation."""
        self.probe.owner(3)
        if op != 1 and self.probe.tables["name"].free:
            self.probe.name(op, b"GET /%c" % (op + 96))
        self.probe.flow(endpoint, owner=3, port=endpoint)

    @rule(endpoint=ENDPOINTS, op=OPERATIONS, status=STATUSES, duration=DURATIONS, held=st.booleans())
    def request(self, endpoint: int, op: int, status: int, duration: int, held: bool) -> None:
        self.enter(endpoint, op)
        slot = self.probe.op(endpoint, op, status)
        self.total += 1
        self.duration += duration
        self.hist[bucket(duration)] += 1
        self.run(lambda: self.probe.add_op(slot, duration), held)

    @rule(number=st.integers(0, 2), duration=DURATIONS, held=st.booleans(), late=st.booleans())
    def request_over_a_connection(self, number: int, duration: int, held: bool, late: bool) -> None:
        """A connection remembers slot and generation. `late`: stopped before it has read the generation."""
        endpoint, op = 10 + number, 2 + number
        self.enter(endpoint, op)
        table = self.probe.tables["op"]
        slot, generation = self.remembered.get(number, (0, 0))
        known = slot != 0 and table.gen(slot) == generation
        if not known:
            slot = self.probe.op(endpoint, op)

        def remember() -> None:
            if slot and not known:
                self.remembered[number] = slot, table.gen(slot)

        def rest() -> None:
            if late:
                remember()
            self.probe.add_op(slot, duration)

        if not late:
            remember()
        self.run(rest, held)
        self.total += 1
        self.duration += duration
        self.hist[bucket(duration)] += 1

    @rule(endpoint=ENDPOINTS, op=OPERATIONS, duration=DURATIONS)
    def request_before_its_name(self, endpoint: int, op: int, duration: int) -> None:
        slot = self.probe.op(endpoint, op)
        self.probe.add_op(slot, duration)
        self.total += 1
        self.duration += duration
        self.hist[bucket(duration)] += 1

    @rule(endpoint=ENDPOINTS, held=st.booleans())
    def connect(self, endpoint: int, held: bool) -> None:
        slot = self.probe.flow(endpoint, owner=3, port=endpoint)
        self.run(lambda: self.probe.add_flow(slot, opened=1), held)
        self.opened += 1
        self.open.append(endpoint)

    @rule(endpoint=ENDPOINTS)
    def settle(self, endpoint: int) -> None:
        """Established, then known: +1 and -1, perhaps in two lives of the slot."""
        self.probe.add_flow(self.probe.flow(endpoint, owner=3, port=endpoint), unsettled=1)
        self.unsettled += 1

    @precondition(lambda self: self.unsettled > 0)
    @rule(endpoint=ENDPOINTS)
    def settled(self, endpoint: int) -> None:
        self.probe.add_flow(self.probe.flow(endpoint, owner=3, port=endpoint), unsettled=-1)
        self.unsettled -= 1

    @precondition(lambda self: bool(self.open))
    @rule(data=st.data(), held=st.booleans(), size=st.integers(0, 1 << 50))
    def close(self, data: st.DataObject, held: bool, size: int) -> None:
        endpoint = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        slot = self.probe.flow(endpoint, owner=3, port=endpoint)
        self.run(lambda: self.probe.add_flow(slot, closed=1, bytes_out=size, packets_out=1), held)
        self.closed += 1
        self.bytes_out += size

    @rule(seconds=st.integers(0, 3))
    def tick(self, seconds: int) -> None:
        self.probe.clock_ns += seconds * 1_000_000_000
        self.collector.tick()

    @rule()
    def programs_end(self) -> None:
        self.finish_held()

    @invariant()
    def nothing_is_doubled(self) -> None:
        snapshot = self.collector.snapshot()
        assert sum(row.count for row in snapshot.ops) <= self.total
        assert sum(row.opened for row in snapshot.flows) <= self.opened
        assert sum(row.closed for row in snapshot.flows) <= self.closed

    def teardown(self) -> None:
        self.finish_held()
        for _ in range(6):
            self.collector.tick()
        self.collector.tick(final=True)
        snapshot = self.collector.snapshot()
        assert sum(row.count for row in snapshot.ops) == self.total
        assert sum(row.duration_ns for row in snapshot.ops) == self.duration
        hist: Counter[int] = Counter()
        for row in snapshot.ops:
            assert int(row.hist.sum()) == row.count
            hist.update({i: int(n) for i, n in enumerate(row.hist) if n})
        assert hist == self.hist
        flows = [*self.collector._flows.rows.values(), self.collector._flows.other]
        assert sum(row.opened for row in flows) == self.opened
        assert sum(row.closed for row in flows) == self.closed
        assert sum(row.bytes_out for row in flows) == self.bytes_out
        assert sum(row.active for row in flows) == self.opened + self.unsettled - self.closed


Kernel.TestCase.settings = settings(max_examples=200, stateful_step_count=50)
TestKernel = Kernel.TestCase
