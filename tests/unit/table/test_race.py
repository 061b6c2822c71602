"""The same with real threads: a probe that never stops, a collector that gives back as fast as it can."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from kindling.config import Recycling, Settings
from kindling.table import Collector
from unit.table.probe import Probe

REQUESTS = 20_000
OPERATIONS = 24


class Running:
    """Read-side sections of one writer: odd while a program runs."""

    def __init__(self) -> None:
        self.section = 0

    def wait(self) -> None:
        """Until the program that runs now has ended, as an update of a map in a map does."""
        now = self.section
        while now % 2 and self.section == now:
            time.sleep(0)


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def write(probe: Probe, running: Running, sent: Counter[int]) -> None:
    """Requests over connections that remember the slot of their last operation, as the probe does."""
    chance = random.Random(2)
    remembered: dict[int, tuple[int, int]] = {}
    table = probe.tables["op"]
    for _ in range(REQUESTS):
        op = chance.randrange(2, OPERATIONS)
        running.section += 1
        probe.owner(3)
        probe.flow(70 + op % 3, owner=3, port=op % 3)
        probe.name(op, b"GET /%c" % (op + 96))
        slot, gen = remembered.get(op, (0, 0))
        if not slot or table.gen(slot) != gen:
            slot = probe.op(70 + op % 3, op)
            remembered[op] = slot, table.gen(slot)
        if chance.random() < 0.05:
            time.sleep(0)
        probe.add_op(slot, 1000 * op)
        sent[op] += 1
        running.section += 1


def test_a_racing_probe_is_counted_exactly() -> None:
    running = Running()
    probe = Probe(flows=8, ops=16, names=64, grace=running.wait)
    fast = Recycling(idle_seconds=0, idle_open_seconds=0, pressure_idle_seconds=0)
    collector = Collector(probe, Settings(recycling=fast))
    sent: Counter[int] = Counter()
    writer = threading.Thread(target=write, args=(probe, running, sent))
    writer.start()
    ticks = 0
    while writer.is_alive():
        collector.tick()
        ticks += 1
    for _ in range(5):
        collector.tick()
    collector.tick(final=True)
    snapshot = collector.snapshot()
    assert sum(row.count for row in snapshot.ops) == REQUESTS
    assert sum(row.duration_ns for row in snapshot.ops) == sum(1000 * op * n for op, n in sent.items())
    if not probe.losses:
        names = {row.labels.content: 0 for row in snapshot.ops}
        for row in snapshot.ops:
            names[row.labels.content] += row.count
        assert names == {f"/{chr(op + 96)}": n for op, n in sent.items()}
    assert probe.released > 10, ticks
