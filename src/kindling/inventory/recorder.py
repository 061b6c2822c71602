"""The inventory as the agent sees it: looks at every reading, and answers questions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

from kindling.config import Inventory
from kindling.inventory.coverage import State
from kindling.inventory.database import Database
from kindling.inventory.entries import Applying
from kindling.inventory.novelty import Novelty
from kindling.inventory.store import Question, Store
from kindling.inventory.told import REMEMBERED
from kindling.inventory.watching import Watched
from kindling.inventory.writer import Writer
from kindling.model import FlowRow, Snapshot

T = TypeVar("T")
Say = Callable[[str], None]

#: A step of the clock by more than this is no correction of its rate.
_JUMP_SECONDS: Final = 60.0
#: What is old is forgotten only when the clock went on evenly for so long.
_TRUST_SECONDS: Final = 3_600.0
#: Seconds after which all rows are looked at, whatever they say of their last change.
_SWEEP_SECONDS: Final = 3_600.0


def asked_of(snapshot: Snapshot, question: Question[T]) -> T:
    """The answer of a list that knows this reading and nothing before: where none is kept."""
    database = Database(None)
    try:
        Applying(database.connection, max_addresses=16).apply(row for row in snapshot.flows if row.labels.outside)
        return question(database.connection)
    finally:
        database.close()


def steady() -> float:
    """Seconds since boot, suspended time included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Recorder:
    """All but the writing happens in the caller's thread. `clock` is steady, whatever is done to the wall clock."""

    def __init__(
        self, folder: Path, settings: Inventory, say: Say, *, boot: str = "", clock: Callable[[], float] = steady
    ) -> None:
        self.news: Sequence[Novelty] = ()
        """What was found to be new, and is durable, since the reading before."""
        self._store = Store(folder, settings, say, boot)
        self._writer = Writer(self._store)
        self._every = settings.write_seconds
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._offset: float | None = None
        self._even_since = clock()
        self._collected = float("-inf")
        """Rows that changed before were handed to the writer."""
        self._collected_at = float("-inf")
        self._swept_at = clock()
        self._told: dict[tuple[str, str], None] = {}

    def start(self) -> None:
        """Opens the file. Never fails: what is wrong with the disk is said, and part of `state`."""
        self._writer.start()
        self._told = dict.fromkeys(self._writer.known)

    def close(self) -> None:
        """Everything that was observed is written when this returns, if the disk takes it."""
        self._collect()
        self._writer.close()

    # --- every reading -----------------------------------------------------------------------------

    def observe(self, snapshot: Snapshot) -> None:
        """Called after each reading of the tables."""
        self._snapshot = snapshot
        self._look_at_clock(snapshot.time)
        self.news = self._writer.take_news()
        if self._clock() - self._collected_at >= self._every:
            self._collect()

    def first(self, kind: str, key: str) -> bool:
        """True once for each pair, ever; the oldest are forgotten beyond a bound (kindling.inventory.told)."""
        told = (kind, key)
        if told in self._told:
            return False
        if len(self._told) >= REMEMBERED:
            del self._told[next(iter(self._told))]
        self._told[told] = None
        self._writer.tell(told)
        return True

    def _look_at_clock(self, now: float) -> None:
        offset, before = now - self._clock(), self._offset
        self._offset = offset
        if before is not None and abs(offset - before) > _JUMP_SECONDS:
            self._even_since = self._clock()
        if before is not None and offset < before:
            self._collected = min(self._collected, now - 1)  # set back: what changes now looks older than it is
        if now < self._collected:
            self._collected = float("-inf")

    def _collect(self) -> None:
        """Hands the rows that changed to the writer."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        if self._clock() - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at, self._collected = self._clock(), float("-inf")
        after = self._collected
        changed = [row for row in snapshot.flows if row.last_seen >= after and row.labels.outside]
        watched = Watched(snapshot.time, snapshot.since, dict(snapshot.lost))
        trusted = self._clock() - self._even_since >= _TRUST_SECONDS
        new = [row for row in changed if row.first_seen >= after]
        self._writer.add(changed, snapshot.flows, watched, new=new, clock_trusted=trusted)
        self._collected = snapshot.time
        self._collected_at = self._clock()

    # --- questions ---------------------------------------------------------------------------------

    def ask(self, question: Question[T], *, days: bool = True) -> Future[T]:
        """Asks of everything that was read so far, written or not. Another thread answers. `days`: of the history."""
        self._collect()
        return self._writer.ask(question, days=days)

    def active(self) -> list[FlowRow]:
        """Rows to destinations outside that have connections open now."""
        if self._snapshot is None:
            return []
        return [row for row in self._snapshot.flows if row.active > 0 and row.labels.outside]

    def state(self) -> State:
        """Of the list itself."""
        counts = self._store.counts
        return State(
            path=str(self._store.path),
            entries=counts.rows,
            forgotten=counts.evicted,
            pending=self._writer.pending,
            dropped=self._writer.dropped,
            trouble=self._store.trouble,
        )

    def stats(self) -> dict[str, float]:
        return self._writer.stats()
