"""The thread that writes: the agent's only other thread hands it rows and questions, and waits for neither."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, Final, TypeVar

from kindling.inventory.novelty import Novelty
from kindling.inventory.pace import Pace
from kindling.inventory.store import Extras, Question, Store
from kindling.inventory.told import Told
from kindling.inventory.watching import Watched
from kindling.model import FlowRow

T = TypeVar("T")

#: Rows written in one transaction: questions wait no longer than one takes.
CHUNK: Final = 2_000
#: Seconds between two tries while the disk takes nothing: at first, and at most.
RETRY_SECONDS: Final = (1.0, 60.0)
#: Seconds between two times at which the past is forgotten.
TIDY_SECONDS: Final = 3_600.0
#: Seconds after which the time of watching is written though nothing changed.
HEARTBEAT_SECONDS: Final = 60.0
#: Novelties that nobody fetched are kept up to here.
_NEWS: Final = 10_000


class Writer:
    """Rows are kept by reference: what they count until they are written is written with them."""

    def __init__(self, store: Store) -> None:
        self.dropped = 0
        """Changed rows that were gone, and found no room while the disk took nothing."""
        self.known: list[Told] = []
        """What earlier agents told; there when `start` has returned."""
        self._store = store
        self._pace = Pace(store.settings)
        self._limit = store.settings.pending_rows
        self._awake = threading.Condition()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inventory", daemon=True)
        self._pending: dict[int, FlowRow] = {}
        self._new: set[int] = set()
        """Which of them were never written."""
        self._live: Sequence[FlowRow] = ()
        self._watched: Watched | None = None
        self._clock_trusted = False
        self._told: list[Told] = []
        self._handed_out: list[int] = []
        self._news: deque[tuple[int, Novelty]] = deque(maxlen=_NEWS)
        self._questions: deque[tuple[Question[Any], Future[Any], bool]] = deque()
        self._stopping = False
        self._due = 0.0
        self._retry = RETRY_SECONDS[0]
        self._written = time.monotonic()
        self._tidied = time.monotonic()

    # --- called by the agent's thread -------------------------------------------------------------

    def start(self, patience: float = 10.0) -> None:
        """Opens the file; returns when that is done, or after `patience` seconds: a disk may hang."""
        self._thread.start()
        if not self._opened.wait(patience):
            self._store.say(f"{self._store.path} is not open yet: the disk is slow")

    def add(
        self,
        rows: Iterable[FlowRow],
        live: Sequence[FlowRow],
        watched: Watched,
        *,
        new: Iterable[FlowRow] = (),
        clock_trusted: bool = False,
    ) -> None:
        """Rows that changed, those of them that are `new`, and all that are there.

        Wakes nobody: the writer looks when its time has come.
        """
        with self._awake:
            self._pending.update((id(row), row) for row in rows)
            self._new.update(map(id, new))
            if len(self._pending) > self._limit:
                self._drop_gone(live)
            self._live = live
            self._watched = watched
            self._clock_trusted = clock_trusted

    def _drop_gone(self, live: Iterable[FlowRow]) -> None:
        """What is there keeps its totals anyway; of what is gone the oldest is given up."""
        there = {id(row) for row in live}
        gone = [number for number in self._pending if number not in there]
        surplus = gone[: len(self._pending) - self._limit]
        for number in surplus:
            del self._pending[number]
        self._new.difference_update(surplus)
        self.dropped += len(surplus)

    def tell(self, told: Told) -> None:
        """To be remembered for good."""
        with self._awake:
            self._told.append(told)

    def take_news(self) -> list[Novelty]:
        """What is new since the last call. It counts as handed out from then on."""
        if not self._news:
            return []
        with self._awake:
            news = list(self._news)
            self._news.clear()
            self._handed_out += [number for number, _ in news]
        return [novelty for _, novelty in news]

    def ask(self, question: Question[T], *, days: bool = True) -> Future[T]:
        """The writer's thread answers, before it writes on. `days`: the question is of the history."""
        future: Future[T] = Future()
        with self._awake:
            if self._stopping:
                future.set_exception(RuntimeError("the inventory is closed"))
                return future
            self._questions.append((question, future, days))
            self._awake.notify()
        return future

    @property
    def pending(self) -> int:
        """Changed rows that wait to be written."""
        return len(self._pending)

    def close(self, patience: float = 10.0) -> None:
        """Writes what there is, and ends the thread."""
        with self._awake:
            self._stopping = True
            self._awake.notify()
        self._thread.join(patience)

    def stats(self) -> dict[str, float]:
        counts = self._store.counts
        return {
            "inventory.rows": counts.rows,
            "inventory.pending": self.pending,
            "inventory.evicted": counts.evicted,
            "inventory.expired": counts.expired,
            "inventory.failing": int(self._store.trouble is not None),
            "inventory.writes": counts.writes,
            "inventory.write_errors": counts.write_errors,
            "inventory.broken_files": counts.broken_files,
            "inventory.dropped": self.dropped,
            "inventory.bytes_written": self._pace.bytes,
            "inventory.write_seconds": self._pace.seconds,
        }

    # --- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        self.known = self._store.told()
        self._news.extend(self._store.waiting())
        self._opened.set()
        stopping = False
        while not stopping:
            with self._awake:
                self._awake.wait_for(lambda: self._stopping or self._questions, max(0.0, self._due - time.monotonic()))
                stopping = self._stopping
            self._answer()
            if stopping or time.monotonic() >= self._due:
                self._due = time.monotonic() + self._write(everything=stopping or not self._pace.debt)
        self._answer()
        self._store.close()

    def _answer(self) -> None:
        while self._questions:
            with self._awake:
                question, future, days = self._questions.popleft()
                rows, watched = list(self._pending.values()), self._watched
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._store.ask(rows, question, watched, days=days))
            except BaseException as error:  # noqa: BLE001 -- whoever asked is told
                future.set_exception(error)

    def _write(self, *, everything: bool) -> float:
        """Writes what there is, or only what is new; returns the seconds until the next time."""
        self._pace.begin()
        while (work := self._take(everything=everything)) is not None:
            rows, extras = work
            if not self._write_chunk(rows, extras):
                self._pace.end()
                delay, self._retry = self._retry, min(2 * self._retry, RETRY_SECONDS[1])
                return delay
            self._answer()
        self._retry = RETRY_SECONDS[0]
        if time.monotonic() - self._tidied >= TIDY_SECONDS and self._watched:
            self._tidied = time.monotonic()
            self._store.tidy(self._live, self._watched.time, clock_trusted=self._clock_trusted)
        return self._pace.end()

    def _take(self, *, everything: bool) -> tuple[list[FlowRow], Extras] | None:
        with self._awake:
            wanted: Collection[int] = self._pending if everything else self._new
            idle = not (wanted or self._told or self._handed_out)
            beating = self._watched and time.monotonic() - self._written >= HEARTBEAT_SECONDS
            if idle and not beating:
                return None
            rows = [self._pending.pop(number) for number in list(islice(wanted, CHUNK))]
            self._new.difference_update(map(id, rows))
            extras = Extras(self._watched, self._told, self._handed_out)
            self._told, self._handed_out = [], []
        return rows, extras

    def _write_chunk(self, rows: list[FlowRow], extras: Extras) -> bool:
        try:
            news = self._store.write(rows, extras)
        except Exception as error:  # noqa: BLE001 -- a row that no database takes must not end the thread
            self._store.say(f"{len(rows)} changed rows could not be written: {error!r}")
            self.dropped += len(rows)
            return True
        with self._awake:
            if news is None:
                self._pending = {id(row): row for row in rows} | self._pending
                self._new.update(map(id, rows))
                self._told = [*extras.told, *self._told]
                self._handed_out = [*extras.handed_out, *self._handed_out]
                return False
            self._news.extend(news)
        self._written = time.monotonic()
        return True
