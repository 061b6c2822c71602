"""How fast totals grow, told from one look to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kindling.cli.top.tabs import RATE
from kindling.export.records import Record

Identity = tuple[Any, ...]

#: What tells one row from another.
_IDENTITY: Final = (
    "namespace",
    "workload",
    "workload_kind",
    "container",
    "pod",
    "peer_namespace",
    "peer_workload",
    "peer_pod",
    "role",
    "transport",
    "protocol",
    "local_ip",
    "remote_ip",
    "port",
    "name",
    "evidence",
    "inferred",
    "operation",
    "status",
    "destination",
)
#: Rows whose totals are remembered; beyond that only those of the last look.
_REMEMBERED: Final = 5_000


class Rates:
    """Of one table. What began before the first look that shows it starts with 0."""

    def __init__(self, measure: Callable[[Record], float]) -> None:
        self._measure = measure
        self._totals: dict[Identity, float] = {}
        self._rates: dict[Identity, float] = {}
        self._time = 0.0
        """Of the look before, unix seconds of the agent's clock."""

    def add_to(self, rows: Sequence[Record], now: float) -> None:
        """Write into each row what it gained a second since the look before. When the agent has not read its tables
        since then, that is as it was.
        """
        identities = [tuple(row.get(key) for key in _IDENTITY) for row in rows]
        totals = dict(zip(identities, map(self._measure, rows), strict=True))
        if now > self._time:
            began = {identity: row.get("first_seen", 0.0) for identity, row in zip(identities, rows, strict=True)}
            self._rates = {
                identity: self._rate(identity, total, began[identity], now) for identity, total in totals.items()
            }
            self._totals = totals if len(self._totals) > _REMEMBERED else self._totals | totals
            self._time = now
        for identity, row in zip(identities, rows, strict=True):
            row[RATE] = self._rates.get(identity, 0.0)

    def _rate(self, identity: Identity, total: float, began: float, now: float) -> float:
        if not self._time:
            return 0.0
        before = self._totals.get(identity, 0.0 if began > self._time else total)
        return max(0.0, total - before) / (now - self._time)
