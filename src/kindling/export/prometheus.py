"""A snapshot as Prometheus text.

Label text is rendered once per row and kept in `row.text`; a scrape then only joins it with numbers. Rows whose
labels come out the same (two HTTP methods under one path) are added up: a series appears once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kindling.export import families as f
from kindling.export.agent_series import agent_series
from kindling.export.agent_stats import SelfUse, read_self
from kindling.export.connections import ConnectionSeries
from kindling.export.horizon import Horizon
from kindling.export.lines import Lines
from kindling.export.peers import Endpoints
from kindling.export.requests import RequestSeries
from kindling.export.trace import TraceSeries
from kindling.model import FlowRow, OpRow, RequestEvent, Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Exporter:
    """Renders snapshots of one host, one after the other."""

    def __init__(
        self,
        *,
        node: str | None = None,
        horizon: Horizon | None = None,
        self_use: Callable[[], SelfUse] = read_self,
    ) -> None:
        self.node = node if node is not None else socket.gethostname()
        self.horizon = horizon or Horizon()
        self.endpoints = Endpoints()
        self.trace = TraceSeries(self.node)
        self._requests = RequestSeries(self.node, self.endpoints)
        self._connections = ConnectionSeries(self.node, self.endpoints, self.horizon)
        self._self_use = self_use

    def observe(self, requests: Sequence[RequestEvent]) -> None:
        """Take what may have left the list of recent requests at the next scrape: to be called after every tick."""
        self.trace.update(requests, self.endpoints)

    def render(self, snapshot: Snapshot) -> Iterator[bytes]:
        """The whole of /metrics, in pieces, so that it need not be in memory at once; to be read before the next
        tick.
        """
        self._learn(snapshot)
        self.observe(snapshot.requests)
        self.trace.forget(snapshot.time)
        for lines in self._sections(snapshot):
            yield "".join(lines).encode("utf-8", "replace")

    def _sections(self, snapshot: Snapshot) -> Iterator[Lines]:
        yield self._requests.totals(snapshot.ops)
        yield from self._requests.durations(snapshot.ops)
        yield self._trace_lines()
        yield self._connections.tcp(snapshot.flows)
        yield self._connections.external(snapshot.flows)
        yield agent_series(snapshot, self.trace, self._self_use())

    def _learn(self, snapshot: Snapshot) -> None:
        changed = self.endpoints.learn(snapshot.flows)
        if changed:
            rows: list[FlowRow | OpRow] = [*snapshot.flows, *snapshot.ops]
            for row in rows:
                if (row.labels.remote_ip, row.labels.port) in changed:
                    row.text.clear()
        self.horizon.learn({row.labels.local_ip for row in snapshot.flows})

    def _trace_lines(self) -> Lines:
        name = f.TRACE.name
        return [f.TRACE.header, *[f"{name}{{{text}}} {duration}\n" for text, duration in self.trace.items()]]
