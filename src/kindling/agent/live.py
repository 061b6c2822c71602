"""The tables of this host's kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kindling.config import Settings
from kindling.model import Snapshot

if TYPE_CHECKING:
    from kindling.capture.live import LiveSource
    from kindling.table import Collector

Say = Callable[[str], None]


class LiveTables:
    """Rows of the collector, and what the kernel says of itself."""

    def __init__(self, collector: Collector, source: LiveSource) -> None:
        self._collector = collector
        self._source = source

    def tick(self) -> None:
        self._collector.tick()

    def snapshot(self) -> Snapshot:
        snapshot = self._collector.snapshot()
        for reason, count in self._source.drops().items():
            snapshot.stats[f"drops.{reason}"] = count
        return snapshot


@contextmanager
def live_tables(settings: Settings, say: Say) -> Iterator[LiveTables]:
    """The probe loaded and attached, older sockets made known to it; detached at the end."""
    from kindling.capture.live import LiveSource
    from kindling.identity import Identifier
    from kindling.protocols.registry import slow_thresholds
    from kindling.table import Collector

    with LiveSource(settings, slow_ns=dict(enumerate(slow_thresholds()))) as source:
        say(f"probe loaded, {source.attached} programs attached")
        identifier = Identifier()
        collector = Collector(source, settings, identifier)
        older = identifier.older_sockets()
        missed = source.adopt(older)
        too_many = f", {missed} of them too many to remember" if missed else ""
        say(f"{len(older)} sockets were open before{too_many}")
        yield LiveTables(collector, source)
