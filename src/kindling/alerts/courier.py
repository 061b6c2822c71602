"""A thread that delivers alerts, so that nobody has to wait for a disk or a network."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kindling.alerts.alert import Alert

Say = Callable[[str], None]


class Sink(Protocol):
    """Where alerts go. All is called in the courier's thread."""

    batch: int
    """Most alerts that `deliver` takes at once."""

    def deliver(self, alerts: list[Alert], stop: threading.Event) -> bool:
        """Whether they arrived. May take long, unless `stop` is set."""
        ...

    def reopen(self) -> None:
        """SIGHUP came."""
        ...

    def close(self) -> None: ...


class Courier:
    """At most `room` alerts wait; beyond that new ones are dropped, and counted. One thread puts, one delivers."""

    def __init__(self, sink: Sink, *, room: int, name: str, stop_seconds: float) -> None:
        self.delivered = 0
        self.dropped = 0
        self._sink = sink
        self._room = room
        self._stop_seconds = stop_seconds
        self._waiting: deque[Alert] = deque()
        self._under_way = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._reopen = False
        # not waited for at the end of the process: a delivery may hang
        self._thread = threading.Thread(target=self._run, name=f"kindling-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def pending(self) -> int:
        return len(self._waiting) + self._under_way

    def put(self, alert: Alert) -> None:
        """Never waits."""
        with self._changed:
            if self._stop.is_set() or self.pending >= self._room:
                self.dropped += 1
                return
            self._waiting.append(alert)
            self._changed.notify()

    def reopen(self) -> None:
        with self._changed:
            self._reopen = True
            self._changed.notify()

    def close(self) -> None:
        """Delivers what waits, if that can be done in time; the rest is dropped."""
        with self._changed:
            self._stop.set()
            self._changed.notify()
        self._thread.join(self._stop_seconds)
        if self._thread.is_alive():
            self._hurry.set()
            self._thread.join(1.0)
            self.dropped += self.pending

    def abandon(self) -> None:
        """Ends without waiting: what is left is delivered as long as the process lives, and the sink allows."""
        with self._changed:
            self._stop.set()
            self._changed.notify()

    def _run(self) -> None:
        try:
            while self._next():
                pass
        finally:
            self._sink.close()

    def _next(self) -> bool:
        with self._changed:
            while not self._waiting and not self._reopen and not self._stop.is_set():
                self._changed.wait()
            reopen, self._reopen = self._reopen, False
            batch = [self._waiting.popleft() for _ in range(min(self._sink.batch, len(self._waiting)))]
            self._under_way = len(batch)
        if reopen:
            self._sink.reopen()
        if batch:
            arrived = self._sink.deliver(batch, self._hurry)
            with self._changed:
                if arrived:
                    self.delivered += len(batch)
                elif not self._hurry.is_set():
                    self.dropped += len(batch)  # else `close` counts them
                if arrived or not self._hurry.is_set():
                    self._under_way = 0
        return bool(batch) or not self._stop.is_set()
