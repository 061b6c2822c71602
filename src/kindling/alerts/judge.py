"""What rows of flows say by themselves: direct, plaintext, resolver."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kindling.alerts.alert import Alert
from kindling.alerts.resolvers import Resolvers

if TYPE_CHECKING:
    from kindling.config import AlertKind, Alerts
    from kindling.model import FlowLabels, FlowRow, Snapshot

#: Protocols whose servers are told to a host as addresses.
_BY_ADDRESS = frozenset({"dns", "ntp"})


class Judge:
    """Looks at each row once, a while after it came: a name may come late."""

    def __init__(self, settings: Alerts, resolvers: Resolvers | None = None) -> None:
        self._settings = settings
        self._resolvers = resolvers or Resolvers(settings.resolvers)
        self._seen: set[int] = set()
        """Numbers of rows that were met."""
        self._waiting: deque[tuple[float, FlowRow]] = deque()
        self._began: float | None = None

    def reconfigure(self, settings: Alerts) -> None:
        """What was judged is not judged again."""
        if settings.resolvers != self._settings.resolvers:
            self._resolvers = Resolvers(settings.resolvers)
        self._settings = settings

    def judge(self, snapshot: Snapshot) -> Iterator[Alert]:
        now = snapshot.time
        if self._began is None:
            self._began = now
        self._meet(snapshot, now)
        due = []
        # the clock may be set back: what waits longer than it should is judged too
        while self._waiting and not 0 <= now - self._waiting[0][0] < self._settings.settle_seconds:
            due.append(self._waiting.popleft()[1])
        if due:
            named = self._named(snapshot, due)
            for row in due:
                yield from self._of(row, named)

    def _meet(self, snapshot: Snapshot, now: float) -> None:
        seen = self._seen
        new = [row for row in snapshot.flows if row.number not in seen]
        if new:
            seen.update([row.number for row in new])
            self._waiting.extend((now, row) for row in new if row.labels.role == "client")
        if len(seen) > 2 * len(snapshot.flows) + 1_000:
            seen.intersection_update([row.number for row in snapshot.flows])

    def _of(self, row: FlowRow, named: set[tuple[object, str]]) -> Iterator[Alert]:
        labels = row.labels
        if not labels.outside:
            return
        kinds: dict[AlertKind, bool] = {
            "direct": self._is_direct(row, named),
            "plaintext": labels.protocol == "http" and labels.scope == "public",
            "resolver": self._is_foreign_resolver(labels),
        }
        for kind in self._settings.kinds:
            if kinds.get(kind):
                yield Alert.of(kind, row, row.first_seen)

    def _is_direct(self, row: FlowRow, named: set[tuple[object, str]]) -> bool:
        labels, settings = row.labels, self._settings
        return (
            labels.evidence == "address"
            and labels.scope in settings.direct_scopes
            and labels.protocol not in _BY_ADDRESS
            and not labels.inferred  # older than the agent: so are the answers it asked for
            and self._began is not None
            and row.first_seen - self._began >= settings.warmup_seconds
            and (labels.workload, labels.remote_ip) not in named
        )

    def _is_foreign_resolver(self, labels: FlowLabels) -> bool:
        return labels.protocol == "dns" and self._resolvers.known and labels.remote_ip not in self._resolvers

    @staticmethod
    def _named(snapshot: Snapshot, due: list[FlowRow]) -> set[tuple[object, str]]:
        """Workloads with addresses that they know by name, of those that are asked for."""
        addresses = {row.labels.remote_ip for row in due if row.labels.evidence == "address"}
        if not addresses:
            return set()
        return {
            (row.labels.workload, row.labels.remote_ip)
            for row in snapshot.flows
            if row.labels.evidence != "address" and row.labels.remote_ip in addresses
        }
