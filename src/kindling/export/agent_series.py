"""The agent itself, as series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import kindling
from kindling.export import agent_families as f
from kindling.export import cluster_families as c
from kindling.export.agent_stats import SelfUse
from kindling.export.budget import Budget
from kindling.export.families import EXTERNAL_NEW
from kindling.export.family import Family
from kindling.export.lines import Lines, family_lines
from kindling.export.text import escape
from kindling.model import LOST_NAMES, Snapshot

_NEW = "external_new."
_DROPS = "drops."

Labelled = Iterable[tuple[str, float]]


@dataclass(slots=True)
class Scrapes:
    """What rendering /metrics took so far."""

    count: int = 0
    seconds: float = 0.0
    evicted: int = 0
    """Single requests given up."""
    trace: int = 0
    """Single requests shown."""


def agent_series(
    snapshot: Snapshot, use: SelfUse, scrapes: Scrapes, budget: Budget, sections: Mapping[str, int]
) -> Iterator[tuple[Family, Labelled]]:
    """Losses, fill of the tables, cost. `sections`: series by section."""
    stats = snapshot.stats
    lost = {**dict.fromkeys(LOST_NAMES, 0), **snapshot.lost}
    rows = {"flow": len(snapshot.flows), "op": len(snapshot.ops), "trace": scrapes.trace}
    dropped = {family: budget.dropped[family] for family in sorted(budget.dropped)}
    yield EXTERNAL_NEW, _by("kind", _after(stats, _NEW))
    yield f.LOST, _by("cause", lost)
    yield f.DROPS, _by("reason", _after(stats, _DROPS))
    yield f.BUILD_INFO, _by("version", {kindling.__version__: 1})
    yield f.SINCE, [("", snapshot.since)]
    yield f.TICKS, _plain(stats, "ticks")
    yield f.TICK_SECONDS, _plain(stats, "tick_seconds")
    yield f.SLOTS_USED, _by("table", _before(stats, "_slots_used"))
    yield f.SLOTS_CAPACITY, _by("table", _before(stats, "_slots"))
    yield f.SLOTS_RECYCLED, _by("table", _before(stats, "_slots_recycled"))
    yield f.ROWS, _by("table", rows)
    yield f.TRACE_EVICTED, [("", scrapes.evicted)]
    yield f.SERIES, _by("section", sections)
    yield f.SERIES_BUDGET, [("", budget.total)]
    yield f.SERIES_DROPPED, _by("family", dropped)
    yield f.SCRAPES, [("", scrapes.count)]
    yield f.SCRAPE_SECONDS, [("", round(scrapes.seconds, 6))]
    yield f.CPU_BY_MODE, _by("mode", {"user": use.user_seconds, "system": use.system_seconds})
    yield f.MEMORY_BY_KIND, _by("kind", {"resident": use.resident_bytes, "maps": use.map_bytes})
    for key, family in f.PART_STATS.items():
        yield family, _plain(stats, key)
    yield from _cluster(_after(stats, c.PREFIX))
    yield f.STAT, _by("name", {key: value for key, value in stats.items() if _is_other(key)})
    yield f.CPU, [("", round(use.user_seconds + use.system_seconds, 3))]
    yield f.MEMORY, [("", use.resident_bytes)]
    yield f.STARTED, [("", round(use.started, 3))]


def agent_lines(families: Iterable[tuple[Family, Labelled]], *, openmetrics: bool) -> Lines:
    lines: Lines = []
    for family, series in families:
        lines += family_lines(family, series, openmetrics=openmetrics)
    return lines


def _cluster(stats: Mapping[str, float]) -> Iterator[tuple[Family, Labelled]]:
    for key, family in c.PLAIN.items():
        yield family, _plain(stats, key)
    for key, family in c.BY_RESOURCE.items():
        yield family, _by("resource", _after(stats, f"{key}."))


def _by(label: str, values: Mapping[str, float]) -> Labelled:
    return [(f'{label}="{escape(value)}"', n) for value, n in values.items()]


def _plain(stats: Mapping[str, float], key: str) -> Labelled:
    return [("", stats[key])] if key in stats else []


def _before(stats: Mapping[str, float], suffix: str) -> dict[str, float]:
    """`flow_slots_used` and its like."""
    return {key.removesuffix(suffix): value for key, value in stats.items() if key.endswith(suffix)}


def _after(stats: Mapping[str, float], prefix: str) -> dict[str, float]:
    """`drops.NO_SOCKET` and its like."""
    return {key.removeprefix(prefix): value for key, value in stats.items() if key.startswith(prefix)}


def _is_other(key: str) -> bool:
    return "." in key and key not in f.PART_STATS and not key.startswith((_NEW, _DROPS, c.PREFIX))
