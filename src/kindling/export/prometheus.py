"""A snapshot as Prometheus text or OpenMetrics.

Label text is rendered once per series and kept; a scrape then only joins it with numbers. What a series is, and what
happens when there are too many, is in `section`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from kindling.config import Metrics
from kindling.export import families as f
from kindling.export.agent_series import Scrapes, agent_lines, agent_series
from kindling.export.agent_stats import SelfUse, read_self
from kindling.export.budget import Budget
from kindling.export.connections import ConnectSection, PairSection
from kindling.export.destinations import DestinationSection
from kindling.export.dns import DnsQuerySection, DnsServerSection
from kindling.export.durations import DurationSection
from kindling.export.exemplars import Exemplars
from kindling.export.horizon import Horizon
from kindling.export.negotiate import CONTENT_TYPE, content_type, wants_openmetrics
from kindling.export.peers import Endpoints, behind
from kindling.export.presence import Change, Presence, Row
from kindling.export.requests import EntitySection, ErrorSection, TopologySection
from kindling.export.trace import AddressSection, News, TraceSeries
from kindling.export.workloads import WorkloadSection
from kindling.model import FlowRow, OpRow, RequestEvent, Snapshot

__all__ = ["CONTENT_TYPE", "Exporter", "content_type", "wants_openmetrics"]

_END: Final = b"# EOF\n"


class Exporter:
    """Renders snapshots of one host, one after the other."""

    def __init__(
        self,
        *,
        node: str | None = None,
        horizon: Horizon | None = None,
        settings: Metrics | None = None,
        link_spans: bool = False,
        self_use: Callable[[], SelfUse] = read_self,
    ) -> None:
        """`link_spans`: slow and failed requests are exported as spans too; exemplars tell their ids."""
        settings = settings or Metrics()
        self.node = node = node if node is not None else socket.gethostname()
        self.horizon = horizon or Horizon()
        self.endpoints = Endpoints(node)
        self.budget = budget = Budget(settings.series)
        self.trace = TraceSeries(budget, node)
        self.examples = Exemplars(node, link_spans=link_spans)
        self._idle_seconds = settings.idle_seconds
        self._self_use = self_use
        self._scrapes = Scrapes()
        self._news = News()
        self._agent = budget.account(0.01)
        self._flows: Presence[FlowRow] = Presence(settings.idle_seconds, _is_open)
        self._ops: Presence[OpRow] = Presence(settings.idle_seconds, _never)
        flow_idle, op_idle = self._flows.is_idle, self._ops.is_idle
        # In the order in which they get what is not guaranteed to any of them; the list of addresses first, for
        # what has no room there is missing, while others add it up under `other`.
        self._addresses = AddressSection(budget, flow_idle, node)
        self._destinations = DestinationSection(budget, flow_idle, node)
        self._workloads = WorkloadSection(budget, flow_idle)
        self._entity = EntitySection(budget, op_idle, node, self.endpoints)
        self._topology = TopologySection(budget, op_idle, node, self.endpoints)
        self._errors = ErrorSection(budget, op_idle, node)
        self._connects = ConnectSection(budget, flow_idle, node, self.endpoints)
        self._queries = DnsQuerySection(budget, op_idle, node)
        self._pairs = PairSection(budget, flow_idle, node, self.endpoints)
        self._servers = DnsServerSection(budget, op_idle, node)
        self._durations = DurationSection(budget, op_idle, node, self.examples)
        self._of_flows = (self._addresses, self._destinations, self._workloads, self._connects, self._pairs)
        self._of_ops = (
            self._entity,
            self._topology,
            self._errors,
            self._queries,
            self._servers,
            self._durations,
        )

    def reconfigure(self, settings: Metrics) -> None:
        """Take other settings. With a smaller budget what is shown stays, until it becomes idle."""
        self.budget.resize(settings.series)
        self._idle_seconds = settings.idle_seconds
        self._flows.idle_seconds = self._ops.idle_seconds = settings.idle_seconds

    def observe(self, requests: Sequence[RequestEvent]) -> None:
        """Take what may have left the list of recent requests at the next scrape: to be called after every tick."""
        fresh = self._news.take(requests)
        if fresh:
            self.trace.add(fresh, self.endpoints)
            for event in fresh:
                self.examples.add(event)

    def render(self, snapshot: Snapshot, *, openmetrics: bool = False) -> Iterator[bytes]:
        """The whole of /metrics, in pieces, so that it need not be in memory at once; to be read before the next
        tick.
        """
        begun = time.thread_time()
        self._follow(snapshot)
        for text in self._parts(snapshot, openmetrics=openmetrics):
            yield text.encode("utf-8", "replace")
        if openmetrics:
            yield _END
        self._scrapes.count += 1
        self._scrapes.seconds += time.thread_time() - begun

    def _follow(self, snapshot: Snapshot) -> None:
        """Bring the series up to date with the rows."""
        now = snapshot.time
        changed = self.endpoints.learn(snapshot.flows)
        self.horizon.learn({row.labels.local_ip for row in snapshot.flows})
        self.observe(snapshot.requests)
        self.trace.forget(now - self._idle_seconds)
        self.examples.forget(now - self._idle_seconds)
        flows = self._flows.update(snapshot.flows, now)
        ops = self._ops.update(snapshot.ops, now)
        if changed:
            flows.moved += _reaching(changed, snapshot.flows, flows)
            ops.moved += _reaching(changed, snapshot.ops, ops)
        for of_flows in self._of_flows:
            of_flows.update(flows, now)
        for of_ops in self._of_ops:
            of_ops.update(ops, now)
        self._place(snapshot.node_ip)

    def _place(self, node_ip: str) -> None:
        if node_ip != self._connects.node_ip:
            for section in (self._connects, self._pairs):
                section.node_ip = node_ip
                section.relabel()

    def _parts(self, snapshot: Snapshot, *, openmetrics: bool) -> Iterator[str]:
        yield from self._entity.lines(openmetrics=openmetrics)
        yield from self._topology.lines(openmetrics=openmetrics)
        yield from self._durations.lines(openmetrics=openmetrics)
        yield from self._errors.lines(openmetrics=openmetrics)
        yield f.TRACE.heading(openmetrics=openmetrics)
        yield from self.trace.lines()
        yield from self._addresses.lines(snapshot.ops)
        yield from self._queries.lines(openmetrics=openmetrics)
        yield from self._servers.lines(openmetrics=openmetrics)
        yield from self._pairs.lines(openmetrics=openmetrics)
        yield from self._connects.lines(openmetrics=openmetrics)
        yield from self._workloads.lines(openmetrics=openmetrics)
        yield from self._destinations.lines(openmetrics=openmetrics)
        yield self._agent_lines(snapshot, openmetrics=openmetrics)

    def _agent_lines(self, snapshot: Snapshot, *, openmetrics: bool) -> str:
        self._scrapes.trace = len(self.trace)
        self._scrapes.evicted = self.trace.evicted
        told = agent_series(snapshot, self._self_use(), self._scrapes, self.budget, self._by_section())
        lines = agent_lines(told, openmetrics=openmetrics)
        self._agent.used = len(lines)
        return "".join(lines)

    def _by_section(self) -> dict[str, int]:
        return {
            "destinations": self._destinations.account.used,
            "addresses": self._addresses.account.used,
            "requests": len(self.trace),
            "workloads": self._workloads.account.used,
            "entity": self._entity.account.used,
            "topology": self._topology.account.used,
            "errors": self._errors.account.used,
            "connects": self._connects.account.used,
            "pairs": self._pairs.account.used,
            "dns": self._queries.account.used + self._servers.account.used,
            "durations": self._durations.account.used,
            "agent": self._agent.used,
        }


def _reaching(endpoints: set[tuple[str, int]], rows: Iterable[Row], change: Change[Row]) -> list[Row]:
    """Rows, other than new and moved ones, that lead to an endpoint of which another thing is known now."""
    told = {*change.fresh, *change.moved}
    reached = [(row, behind(row.labels.remote_ip, row.labels.port, row.labels.peer)) for row in rows]
    return [row for row, endpoint in reached if endpoint in endpoints and row not in told]


def _is_open(row: FlowRow) -> bool:
    return row.active > 0


def _never(row: OpRow) -> bool:
    del row
    return False
