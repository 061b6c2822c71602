"""The probe and its tables, read in this process."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from kindling.capture.live import LiveSource
from kindling.config import Settings
from kindling.identity import Identifier
from kindling.model import FlowRow, OpRow, Snapshot
from kindling.protocols.registry import slow_thresholds
from kindling.table import Collector

T = TypeVar("T")

_PATIENCE = 8.0

#: Sums of a flow row that are attributes of it by the same name.
SUMS = (
    "opened",
    "active",
    "closed",
    "closed_reset",
    "connect_count",
    "bytes_out",
    "bytes_in",
    "packets_out",
    "packets_in",
    "retransmits",
    "resets_out",
    "resets_in",
)


class Probe:
    """Rows, asked for by their labels: `probe.requests(local_ip="10.0.0.1")`."""

    def __init__(self, source: LiveSource, settings: Settings | None = None) -> None:
        self.source = source
        self.identifier = Identifier()
        self.collector = Collector(source, settings or Settings(query_timeout=1.0), self.identifier)

    def tick(self) -> Snapshot:
        self.collector.tick()
        return self.collector.snapshot()

    def flows(self, **labels: object) -> list[FlowRow]:
        return [row for row in self.collector.snapshot().flows if _has(row.labels, labels)]

    def ops(self, **labels: object) -> list[OpRow]:
        return [row for row in self.collector.snapshot().ops if _has(row.labels, labels)]

    def requests(self, **labels: object) -> dict[tuple[str, str], int]:
        """How many by operation and status."""
        counts: Counter[tuple[str, str]] = Counter()
        for row in self.ops(**labels):
            counts[row.labels.operation, row.labels.status] += row.count
        return dict(counts)

    def count(self, **labels: object) -> int:
        """How many requests, of whatever operation and status."""
        return sum(self.requests(**labels).values())

    def sums(self, *names: str, **labels: object) -> dict[str, int]:
        """Sums over flows; of all names by which connections can end or fail, where none are given."""
        rows = self.flows(**labels)
        return {name: sum(getattr(row, name) for row in rows) for name in names or SUMS}

    def failed(self, **labels: object) -> dict[str, int]:
        """How many connections failed, by reason."""
        counts: Counter[str] = Counter()
        for row in self.flows(**labels):
            counts.update({reason: count for reason, count in row.failed.items() if count})
        return dict(counts)

    def shows(self, read: Callable[[], T], wanted: T, seconds: float = _PATIENCE) -> None:
        """Assert that the tables come to show exactly this, and still do a moment later."""
        end = time.monotonic() + seconds
        self.tick()
        while read() != wanted and time.monotonic() < end:
            time.sleep(0.02)
            self.tick()
        found: Any = read()
        assert found == wanted, f"lost: {self.collector.snapshot().lost}"
        time.sleep(0.02)
        self.tick()
        found = read()
        assert found == wanted, "it went on counting"

    def shows_requests(self, wanted: dict[tuple[str, str], int], **labels: object) -> None:
        """The same of `requests`."""
        self.shows(lambda: self.requests(**labels), wanted)

    def shows_count(self, wanted: int, **labels: object) -> None:
        """The same of `count`."""
        self.shows(lambda: self.count(**labels), wanted)

    def shows_sums(self, wanted: dict[str, int], **labels: object) -> None:
        """The same of `sums`, as far as they are wanted."""
        self.shows(lambda: self.sums(*wanted, **labels), wanted)

    def watch(self, process: subprocess.Popen[str], every: float = 0.1, seconds: float = 120) -> None:
        """Read the tables until a process ends."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tick()
            try:
                process.wait(every)
            except subprocess.TimeoutExpired:
                continue
            return
        raise AssertionError(f"still running after {seconds} s: {process.args!r}")


def attach(**options: Any) -> LiveSource:
    """The probe, attached."""
    return LiveSource(slow_ns=dict(enumerate(slow_thresholds())), **options)


def _has(labels: object, wanted: dict[str, object]) -> bool:
    return all(getattr(labels, name) == value for name, value in wanted.items())
