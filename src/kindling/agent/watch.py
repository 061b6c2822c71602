"""The running agent: its clock, and what the HTTP face sees of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import kindling
from kindling.agent.memory import trim
from kindling.config import Kubernetes, NameSettings, Settings
from kindling.export.agent_stats import read_self
from kindling.export.horizon import Horizon
from kindling.export.prometheus import Exporter
from kindling.identity import Scopes
from kindling.inventory import Recorder
from kindling.model import Snapshot
from kindling.table.ticks import Ticks

#: Seconds after which free memory is given back.
TRIM_EVERY_SECONDS: Final = 60.0


class Tables(Protocol):
    """What turns the probe's tables into rows (`kindling.table`)."""

    @property
    def scopes(self) -> Scopes:
        """Where addresses are."""
        ...

    def tick(self) -> object: ...

    def snapshot(self) -> Snapshot: ...

    def reconfigure(self, names: NameSettings) -> None:
        """Take other networks and static names."""
        ...

    def select(self, kubernetes: Kubernetes) -> None:
        """Take other rules of what is shown."""
        ...


Observer = Callable[[Snapshot], None]
"""Looks at the rows after each tick, in the same thread, and must be quick. It deals with its own failures."""


class Watch:
    """Reads the tables in time and answers for them. All in one thread: a reader never meets a half-done tick."""

    def __init__(
        self,
        tables: Tables,
        settings: Settings,
        *,
        observers: Sequence[Observer] = (),
        inventory: Recorder | None = None,
        stats: Sequence[Callable[[], Mapping[str, float]]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.horizon = Horizon(scopes=tables.scopes)
        self.exporter = Exporter(
            node=settings.kubernetes.node or None,
            horizon=self.horizon,
            settings=settings.metrics,
            link_spans=settings.otlp.enabled and settings.otlp.traces,
        )
        self.inventory = inventory
        self.ticks = Ticks()
        self._tables = tables
        self._settings = settings
        self._observers = observers
        self._stats = stats
        self._clock = clock
        self._ticked = clock()
        self._trimmed = self._ticked
        self._tick_last = 0.0
        self._requests = tables.snapshot().requests

    def tick(self) -> None:
        """Read the tables once."""
        start = self._clock()
        self._tables.tick()
        self.exporter.observe(self._requests)
        if self._observers:
            snapshot = self._tables.snapshot()
            for observe in self._observers:
                observe(snapshot)
        if start - self._trimmed >= TRIM_EVERY_SECONDS:
            self._trimmed = start
            trim()
        self._ticked = self._clock()
        self._tick_last = self._ticked - start
        self.ticks.advance()

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until told to stop; then once more, so that nothing counted stays unread."""
        interval = self._settings.interval
        stopped = asyncio.ensure_future(stop.wait())
        due = self._clock() + interval
        try:
            while not stopped.done():
                await asyncio.wait((stopped,), timeout=max(0.0, due - self._clock()))
                if stopped.done():
                    break
                self.tick()
                due = max(due + interval, self._clock())  # missed ticks are not made up for
        finally:
            stopped.cancel()
        self.tick()
        self.ticks.end()

    # --- what the HTTP face sees (kindling.api.View) ---------------------------------------

    def snapshot(self) -> Snapshot:
        """With the numbers of every part."""
        snapshot = self._tables.snapshot()
        for stats in self._stats:
            snapshot.stats.update(stats())
        return snapshot

    def healthy(self) -> bool:
        return self._clock() - self._ticked < 5 * self._settings.interval + 5

    def status(self) -> dict[str, Any]:
        snapshot = self.snapshot()
        use = read_self()
        return {
            "version": kindling.__version__,
            "node": self.exporter.node,
            "pid": os.getpid(),
            "interval_seconds": self._settings.interval,
            "last_tick_seconds": self._tick_last,
            "started": use.started,
            "cpu_user_seconds": use.user_seconds,
            "cpu_system_seconds": use.system_seconds,
            "resident_bytes": use.resident_bytes,
            "flows": len(snapshot.flows),
            "operations": len(snapshot.ops),
            "stats": dict(snapshot.stats),
        }
