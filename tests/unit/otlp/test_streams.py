"""Every count reaches the collector once, whatever has room, changes or goes."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

import factories as make
from kindling.model import FlowRow
from kindling.otlp.metrics import FLOW_COST, FlowValues
from kindling.otlp.streams import Reading, Streams

FOREVER = 1e9


def sweep(streams: Streams, rows: list[FlowRow], now: float = make.NOON, *, full: bool = False) -> list[Reading]:
    streams.begin(make.snapshot(flows=rows, time=now), full=full)
    readings = streams.step(FOREVER)
    assert streams.done
    return readings


def test_only_what_changed_is_read() -> None:
    streams = Streams(1_000, 1.0, details=True)
    still, moving = make.flow(opened=1), make.flow(opened=1, port=80)
    assert len(sweep(streams, [still, moving])) == 2
    moving.opened, moving.last_seen = 2, make.NOON + 1
    (reading,) = sweep(streams, [still, moving])
    assert FlowValues(*reading.values).opened == 2
    assert len(sweep(streams, [still, moving], full=True)) == 2
    assert sweep(streams, [still, moving]) == []


def test_a_series_starts_before_its_first_count() -> None:
    (reading,) = sweep(Streams(1_000, 1.0, details=True), [make.flow(opened=1)])
    assert reading.stream.start == int((make.NOON - 1) * 1e9) < reading.time


def test_a_row_that_goes_ends_its_series_after_its_last_numbers() -> None:
    streams = Streams(FLOW_COST, 1.0, details=True)
    row = make.flow(opened=1)
    sweep(streams, [row])
    row.opened, row.last_seen = 2, make.NOON + 1
    (last,) = sweep(streams, [])
    assert (FlowValues(*last.values).opened, last.stale) == (2, False)
    (end,) = sweep(streams, [])
    assert (end.stream, end.stale) == (last.stream, True)
    (again,) = sweep(streams, [make.flow(opened=1)])  # its room is free
    assert not again.stream.overflows


def test_long_lists_are_read_in_pieces() -> None:
    times = iter(range(1_000))
    streams = Streams(10_000, 1.0, details=True, clock=lambda: next(times))
    rows = [make.flow(opened=1, port=port) for port in range(200)]
    streams.begin(make.snapshot(flows=rows), full=False)
    pieces = []
    while not streams.done:
        pieces.append(streams.step(1))
    assert len(pieces) > 2
    assert sum(map(len, pieces)) == 200


def test_histograms_keep_every_request() -> None:
    row = make.op((0.001, 1, 5, 100, 3_000, 60_000))
    streams = Streams(1_000, 1.0, details=True)
    streams.begin(make.snapshot(ops=[row]), full=False)
    (reading,) = streams.step(FOREVER)
    counts = [int.from_bytes(reading.buckets[i : i + 8], "little") for i in range(0, len(reading.buckets), 8)]
    assert sum(counts) == row.count == 6
    assert (counts[0], counts[-1]) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), max_size=40), st.integers(0, 3))
def test_sums_are_exact_with_any_budget(steps: list[tuple[int, int, bool]], room: int) -> None:
    """`steps`: which row, how many connections it opens, whether it goes after that."""
    streams = Streams(room * FLOW_COST, 1.0, details=True)
    rows: dict[int, FlowRow] = {}
    last: defaultdict[int, int] = defaultdict(int)
    opened = 0
    kept: list[Reading] = []  # streams are told apart by identity
    for n, (key, more, goes) in enumerate(steps, 1):
        row = rows.setdefault(key, make.flow(port=key))
        row.opened += more
        row.last_seen = make.NOON + n
        opened += more
        if goes:
            row.active = 0
            for reading in sweep(streams, list(rows.values()), make.NOON + n):
                kept.append(reading)
                last[id(reading.stream)] = FlowValues(*reading.values).opened
            del rows[key]
    for reading in sweep(streams, list(rows.values()), make.NOON + 100):
        kept.append(reading)
        last[id(reading.stream)] = FlowValues(*reading.values).opened
    assert sum(last.values()) == opened
