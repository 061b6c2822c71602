"""Reads the probe's tables once per interval and keeps the rows that everybody sees.

    source ──slots──▶ owners, names ──▶ flows ──▶ operations ──▶ rows ──▶ Snapshot
           ──events─▶ DNS answers ──────┘            ▲
           ──pending queries ────────────────────────┘

Work per tick is per slot that changed, never per request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kindling.config import Settings
from kindling.model.snapshot import Snapshot
from kindling.table.clock import Moment
from kindling.table.events import Events
from kindling.table.flows import FlowTable
from kindling.table.hiding import Hiding
from kindling.table.journal import Journal
from kindling.table.losses import Losses
from kindling.table.names import Names
from kindling.table.naming import FlowNaming, Peers
from kindling.table.ops import OpTable
from kindling.table.owners import Identify, Late, Nobody, Owners
from kindling.table.parents import Parents
from kindling.table.queries import Queries
from kindling.table.records import VERSION, Answer, Head
from kindling.table.recycle import Recycler
from kindling.table.resolved import ResolvedNames
from kindling.table.restart import Tables

if TYPE_CHECKING:
    from kindling.capture.source import LastingSource, Source
    from kindling.identity import Scopes
    from kindling.identity.hosts import StaticNames
    from kindling.table.recovered import Recovered


class Collector:
    """Owns the rows of one source. Not safe for several threads.

    `clock` gives unix seconds; for a capture file, those of the packets.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings | None = None,
        identify: Identify | None = None,
        clock: Callable[[], float] = time.time,
        journal: Journal | None = None,
        scopes: Scopes | None = None,
        static: StaticNames | None = None,
        peers: Peers | None = None,
        late: Late | None = None,
        hiding: Hiding | None = None,
    ) -> None:
        settings = settings or Settings()
        limits = settings.limits
        self._hiding = hiding or Hiding(settings.kubernetes)
        self._journal = journal = journal or Journal()
        self._source = source
        self._clock = clock
        self._since = clock()
        self._moment = Moment(source.now(), self._since)
        self._ticks = 0
        self._tick_seconds = 0.0
        self._losses = Losses()
        lose = self._losses.lose
        self._resolved = ResolvedNames(limits.dns_names)
        self._owners = Owners(source.slots("owner"), identify or Nobody(), limits.owners, journal, late)
        self._names = Names(source.slots("name"), journal)
        self._parents = Parents(self._owners)
        self._naming = FlowNaming(self._owners, self._names, self._resolved, settings.names, scopes, static, peers)
        self._flows = FlowTable(
            source.slots("flow"),
            self._names,
            self._parents,
            self._naming,
            limits,
            lose,
            journal,
        )
        self._ops = OpTable(source.slots("op"), self._owners, self._names, self._parents, limits, lose, journal)
        self._events = Events(
            source.dtype, self._owners, self._names, self._flows, self._resolved, self._naming, limits, lose, journal
        )
        self._queries = Queries(source, self._ops, settings.query_timeout, journal)
        self._recycler = Recycler(
            source, settings.recycling, self._owners, self._names, self._flows, self._ops, journal
        )
        self._tables = Tables(
            self._owners, self._names, self._parents, self._flows, self._ops, self._queries, self._losses
        )
        self._told = self._tables.lost()
        self._boot = self._probe = ""

    def tick(self, *, final: bool = False) -> None:
        """One reading. `final`: the source has ended; take everything, wait for nothing."""
        begun = time.thread_time()
        self._moment = moment = Moment(self._source.now(), self._clock())
        now = moment.unix
        self._losses.begin_tick(now, self._source.lost())
        self._names.begin_tick(now)
        arrivals = self._flows.arrivals()
        others = self._read_events(moment)
        if final or not self._naming.peering.settling(now):
            self._flows.bind(arrivals, now, final=final)
            self._ops.bind(now, final=final)
        self._ops.name_late(now)
        self._flows.update(now, everything=final)
        self._ops.relabel(now)
        self._ops.update(now, everything=final, held=self._flows.held)
        self._events.record(others, moment)
        self._hiding.refresh()
        self._hiding.purge(self._events.requests, self._events.failures, self._events.answers)
        self._queries.expire(moment, final=final)
        if not final:
            self._recycler.recycle(now)
            self._source.refill()
            self._flows.expire(now)
            self._ops.expire(now)
        self._keep()
        self._ticks += 1
        self._tick_seconds += time.thread_time() - begun

    def _read_events(self, moment: Moment) -> list[bytes]:
        """Takes the events; learns who is behind them, and the names they tell. Requests and failures come back."""
        events = list(self._source.events())
        self._owners.load(moment.unix)
        self._reown(moment.unix)
        others = self._events.learn(events, moment)
        changed = self._naming.take_changed()
        self._flows.rename(self._resolved.take_changed() | changed, moment.unix)
        self._flows.place()
        self._serve(changed)
        return others

    def _reown(self, now: float) -> None:
        """Owners may turn out to be somebody else."""
        changed = self._owners.take_changed()
        if changed:
            self._resolved.reown({was: self._owners.workload(owner) or was for owner, was in changed.items()})
            self._flows.reown(changed, now)

    def _serve(self, changed: set[str]) -> None:
        """Own addresses, among those whose peer may be another one, may be endpoints of another service."""
        own = {address for address in changed if self._naming.scopes.is_own(address)}
        if own and self._naming.peering.active:
            self._flows.serve(own)
            self._ops.serve(own, self._naming.serving)

    def begin(self, source: LastingSource, boot: str, saved: Recovered | None) -> None:
        """Keep the journal from here on; `saved`: what an earlier process left in it. Before the first tick."""
        now = self._clock()
        self._boot, self._probe = boot, source.identity
        self._names.begin_tick(now)
        if saved is not None:
            same = saved.head.probe == source.identity
            if not same and saved.head.probe:
                saved.forget_counts()
            saved.translate(self._flows.counters.names, self._ops.counters.names)
            self._tables.restore(saved)
            self._events.restore(saved.answers)
            if same:
                self._since = saved.head.since
                self._tables.resume(source, saved, now)
        self._rewrite(slots=True)

    def rest(self) -> None:
        """The probe counts no more and its maps will vanish: read all and keep the totals for the next start."""
        self._moment = Moment(self._source.now(), self._clock())
        now = self._moment.unix
        self._names.begin_tick(now)
        arrivals = self._flows.arrivals()
        self._read_events(self._moment)
        self._flows.bind(arrivals, now, final=True)
        self._ops.bind(now, final=True)
        self._flows.update(now, everything=True)
        self._ops.relabel(now)
        self._ops.update(now, everything=True)
        self._probe = ""
        self._rewrite(slots=False)

    def _keep(self) -> None:
        """What is new since the last tick outlives this process from here on."""
        lost = self._tables.lost()
        if lost != self._told:
            self._told = lost
            self._journal.put(lost)
        self._journal.commit()
        if self._journal.overgrown:
            self._rewrite(slots=True)

    def _rewrite(self, *, slots: bool) -> None:
        counters = self._flows.counters, self._ops.counters
        head = Head(VERSION, self._boot, self._probe, self._since, *(each.names for each in counters))
        self._journal.rewrite(self._tables.records(head, self._kept_answers(), slots=slots))

    def _kept_answers(self) -> list[Answer]:
        return [Answer(*learned) for learned in self._resolved.entries()]

    def snapshot(self) -> Snapshot:
        """All rows as they are now: the collector's own, to be read before the next tick."""
        flows, ops = self._flows.visible(), self._ops.visible()
        flows_shown, ops_shown = self._hiding.shown(flows), self._hiding.shown(ops)
        excluded = {"excluded_flows": len(flows) - len(flows_shown), "excluded_ops": len(ops) - len(ops_shown)}
        return Snapshot(
            time=self._moment.unix,
            since=self._since,
            flows=flows_shown,
            ops=ops_shown,
            requests=self._events.requests,
            failures=self._events.failures,
            answers=self._events.answers,
            lost=self._losses.counts(),
            lost_since=dict(self._losses.since),
            stats=self.stats() | excluded,
            node_ip=self._naming.peering.node_ip,
        )

    def stats(self) -> dict[str, float]:
        """Gauges and totals of the collector itself."""
        stats: dict[str, float] = {
            "ticks": self._ticks,
            "tick_seconds": self._tick_seconds,
            "events": self._events.seen,
            "unanswered": self._queries.unanswered,
            "flow_rows": len(self._flows.rows),
            "op_rows": len(self._ops.rows),
            "dns_names": len(self._resolved),
            "rows_expired": self._flows.idle.expired + self._ops.idle.expired,
            "rows_evicted": self._flows.idle.evicted + self._ops.idle.evicted,
            "names_grouped": self._naming.budget.grouped,
            "journal_failing": int(self._journal.failing),
        }
        occupancies = {
            "owner": self._owners.occupancy,
            "flow": self._flows.counters.occupancy,
            "op": self._ops.counters.occupancy,
            "name": self._names.occupancy,
        }
        for table, occupancy in occupancies.items():
            stats[f"{table}_slots"] = occupancy.size - 1
            stats[f"{table}_slots_used"] = occupancy.used
            stats[f"{table}_slots_recycled"] = self._recycler.given_back[table]
        return stats
