"""The agent itself, as series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import kindling
from kindling.export import families as f
from kindling.export.agent_stats import SelfUse
from kindling.export.lines import Lines, family_lines
from kindling.export.text import escape, labels
from kindling.export.trace import TraceSeries
from kindling.model import LOST_NAMES, Snapshot


def agent_series(snapshot: Snapshot, trace: TraceSeries, use: SelfUse) -> Lines:
    """Losses, fill of the tables, cost; and the names of all workloads."""
    lost = {**dict.fromkeys(LOST_NAMES, 0), **snapshot.lost}
    stats = snapshot.stats
    rows = {"flow": len(snapshot.flows), "op": len(snapshot.ops), "trace": len(trace)}
    return [
        *family_lines(f.WORKLOAD_INFO, _workloads(snapshot)),
        *family_lines(f.LOST, ((f'cause="{escape(cause)}"', n) for cause, n in lost.items())),
        *family_lines(f.DROPS, _drops(stats)),
        *family_lines(f.BUILD_INFO, ((f'version="{escape(kindling.__version__)}"', 1),)),
        *family_lines(f.SINCE, (("", snapshot.since),)),
        *family_lines(f.TICKS, _plain(stats, "ticks")),
        *family_lines(f.TICK_SECONDS, _plain(stats, "tick_seconds")),
        *family_lines(f.SLOTS_USED, _by_table(stats, "_slots_used")),
        *family_lines(f.SLOTS_CAPACITY, _by_table(stats, "_slots")),
        *family_lines(f.SLOTS_RECYCLED, _by_table(stats, "_slots_recycled")),
        *family_lines(f.ROWS, ((f'table="{name}"', n) for name, n in rows.items())),
        *family_lines(f.TRACE_EVICTED, (("", trace.evicted),)),
        *family_lines(f.CPU, (("", round(use.user_seconds + use.system_seconds, 3)),)),
        *family_lines(f.MEMORY, (("", use.resident_bytes),)),
        *family_lines(f.STARTED, (("", round(use.started, 3)),)),
    ]


def _workloads(snapshot: Snapshot) -> Iterator[tuple[str, float]]:
    names = f.WORKLOAD_INFO.labels
    seen = {row.labels.workload for row in snapshot.flows}
    for known in sorted({(w.namespace, w.kind, w.name) for w in seen}):
        yield labels(names, dict(zip(names, known, strict=True))), 1


def _plain(stats: Mapping[str, float], key: str) -> Iterator[tuple[str, float]]:
    if key in stats:
        yield "", stats[key]


def _by_table(stats: Mapping[str, float], suffix: str) -> Iterator[tuple[str, float]]:
    """`flow_slots_used` and its like."""
    for key, value in stats.items():
        if key.endswith(suffix):
            yield f'table="{key.removesuffix(suffix)}"', value


def _drops(stats: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """`drops.NO_SOCKET` and its like."""
    for key, value in stats.items():
        if key.startswith("drops."):
            yield f'reason="{escape(key.removeprefix("drops."))}"', value
