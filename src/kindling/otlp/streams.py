"""Which rows are sent: those that changed, within a budget, a few at a time.

A row's numbers are cumulative from its `first_seen` on. What finds no room in the budget is added up, a series
per shape, under `otel.metric.overflow`: nothing is left out of a sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from kindling.export.buckets import INDEX
from kindling.model import FlowRow, OpRow, Snapshot
from kindling.model.workload import OTHER, Workload
from kindling.otlp.attributes import flow_attributes, operation_attributes
from kindling.otlp.messages import attributes, nanoseconds
from kindling.otlp.metrics import (
    FLOW_COST,
    OP_COST,
    OP_COST_DETAILS,
    FlowValues,
    Parts,
    Shape,
    Values,
    flow_values,
    op_values,
    shape_of,
)

Row = FlowRow | OpRow

_STARTS: Final = np.array([0, *(i + 1 for i in INDEX)])
"""First kernel bucket of each bucket that is sent."""
_ACTIVE: Final = FlowValues._fields.index("active")
_RTT: Final = FlowValues._fields.index("srtt_us")
_LOOK_EVERY: Final = 32
OVERFLOW: Final = "otel.metric.overflow"


class Stream:
    """What a row is to the collector. Its attributes stay as they were when it was first sent."""

    __slots__ = ("_parts", "overflows", "row", "seen", "sent", "shape", "start", "sweep", "workload")

    def __init__(self, row: Row | None, shape: Shape, workload: Workload, start: int) -> None:
        self.row = row
        self.shape = shape
        self.workload = workload
        self.start = start
        """Unix nanoseconds from which on everything is counted."""
        self.seen = -1.0
        """The row's last_seen when it was last looked at."""
        self.sweep = 0
        self.overflows = False
        self.sent: Reading | None = None
        """What is in the overflow already, of a row that overflows."""
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts:
        """Made when they are first needed, by the thread that writes them."""
        if self._parts is None:
            self._parts = _overflow_parts() if self.row is None else _parts(self.row)
        return self._parts


class Reading(NamedTuple):
    """A row's numbers at one moment."""

    stream: Stream
    time: int
    values: Values
    buckets: bytes
    """Counts, 64 bits each, little-endian; b"" of a flow."""
    stale: bool = False
    """The row is gone: its series end."""


class _Overflow:
    """The sum of all rows of a shape that found no room, and of those of them that are gone."""

    def __init__(self, shape: Shape, start: int) -> None:
        self.stream = Stream(None, shape, OTHER, start)
        self.changed = False
        self._values: list[int] = []
        self._buckets = np.zeros(len(_STARTS), "<i8")

    def add(self, reading: Reading) -> None:
        """The row's numbers instead of those it had before."""
        stream, before = reading.stream, reading.stream.sent
        old = before.values if before is not None else (0,) * len(reading.values)
        deltas = [now - then for now, then in zip(reading.values, old, strict=True)]
        if stream.shape.flow:
            deltas[_RTT] = 0  # no sum
        self._values = [a + b for a, b in zip(self._values or [0] * len(deltas), deltas, strict=True)]
        if reading.buckets:
            self._buckets += np.frombuffer(reading.buckets, "<i8")
            if before is not None:
                self._buckets -= np.frombuffer(before.buckets, "<i8")
        stream.sent = reading
        self.changed = True

    def close(self, stream: Stream) -> None:
        """A row is gone: what is open of it is no longer."""
        if stream.shape.flow and stream.sent is not None:
            self._values[_ACTIVE] -= stream.sent.values[_ACTIVE]
            self.changed = True

    def reading(self, now: int) -> Reading:
        self.changed = False
        return Reading(
            self.stream, now, tuple(self._values), b"" if self.stream.shape.flow else self._buckets.tobytes()
        )


class Streams:
    """Follows the rows. `begin`, then `step` until `done`."""

    def __init__(
        self, series: int, lag: float, *, details: bool, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`lag`: seconds by which a row may be older than its first_seen, the interval of the ticks."""
        self.overflowing = 0
        """Rows that found no room."""
        self.done = True
        self._free = series
        self._lag = lag
        self._op_cost = OP_COST_DETAILS if details else OP_COST
        self._clock = clock
        self._streams: dict[Row, Stream] = {}
        self._overflows: dict[Shape, _Overflow] = {}
        self._ending: list[Reading] = []
        self._sweep = 0
        self._full = False
        self._now = 0
        self._rows: Iterator[Row] = iter(())

    def __len__(self) -> int:
        return len(self._streams)

    def begin(self, snapshot: Snapshot, *, full: bool) -> None:
        """`full`: everything is sent, changed or not."""
        rows: list[Row] = [*snapshot.flows, *snapshot.ops]
        self._rows = iter(rows)
        self._now = nanoseconds(snapshot.time)
        self._full = full
        self._sweep += 1
        self.done = False

    def step(self, seconds: float) -> list[Reading]:
        """What is to be sent, as far as that is found in the time given."""
        end = self._clock() + seconds
        changed: list[tuple[Stream, Row]] = []
        for n, row in enumerate(self._rows, 1):
            stream = self._streams.get(row) or self._enter(row)
            stream.sweep = self._sweep
            if stream.seen != row.last_seen or (self._full and not stream.overflows):
                changed.append((stream, row))
            if n % _LOOK_EVERY == 0 and self._clock() >= end:
                return self._read(changed)
        readings = self._read(changed)
        readings += self._ended()
        readings += [each.reading(self._now) for each in self._overflows.values() if each.changed or self._full]
        self.done = True
        return readings

    def _enter(self, row: Row) -> Stream:
        flow = isinstance(row, FlowRow)
        cost = FLOW_COST if flow else self._op_cost
        stream = Stream(row, shape_of(row.labels), row.labels.workload, nanoseconds(row.first_seen - self._lag))
        if cost <= self._free:
            self._free -= cost
        else:
            stream.overflows = True
            self.overflowing += 1
            if stream.shape not in self._overflows:
                self._overflows[stream.shape] = _Overflow(stream.shape, stream.start)
        self._streams[row] = stream
        return stream

    def _read(self, changed: Sequence[tuple[Stream, Row]]) -> list[Reading]:
        """The numbers of rows; what overflows is added up instead."""
        ops = [row for _, row in changed if isinstance(row, OpRow)]
        rest = iter(_buckets(ops))
        readings = []
        for stream, row in changed:
            if isinstance(row, FlowRow):
                reading = Reading(stream, self._now, flow_values(row), b"")
            else:
                reading = Reading(stream, self._now, op_values(row), next(rest))
            stream.seen = row.last_seen
            if stream.overflows:
                self._overflows[stream.shape].add(reading)
            else:
                readings.append(reading)
        return readings

    def _ended(self) -> list[Reading]:
        """Rows that are gone: first their last numbers, if those were not sent yet; one sweep later their end."""
        ending, self._ending = self._ending, []
        gone = [stream for stream in self._streams.values() if stream.sweep != self._sweep]
        unsent = [(s, s.row) for s in gone if s.row is not None and s.seen != s.row.last_seen]
        ending += self._read(unsent)
        for stream in gone:
            row = stream.row
            if row is None:
                continue
            del self._streams[row]
            if stream.overflows:
                self.overflowing -= 1
                self._overflows[stream.shape].close(stream)
                continue
            flow = isinstance(row, FlowRow)
            self._free += FLOW_COST if flow else self._op_cost
            values: Values = flow_values(row) if isinstance(row, FlowRow) else op_values(row)
            self._ending.append(Reading(stream, self._now, values, b"", stale=True))
        return ending


def _buckets(rows: Sequence[OpRow]) -> list[bytes]:
    """The kernel's histograms in the buckets that are sent."""
    if not rows:
        return []
    summed = np.add.reduceat(np.stack([row.hist for row in rows]), _STARTS, axis=1).astype("<u8")
    return [counts.tobytes() for counts in summed]


def _parts(row: Row) -> Parts:
    pairs = flow_attributes(row.labels) if isinstance(row, FlowRow) else operation_attributes(row.labels)
    return tuple(attributes(7, {key: value})[1:] for key, value in pairs.items() if value != "")


def _overflow_parts() -> Parts:
    return (attributes(7, {OVERFLOW: True})[1:],)
