"""The exporter's thread: takes from the mailbox, encodes, delivers, tries again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kindling.config import Otlp
from kindling.otlp.backoff import Backoff
from kindling.otlp.encode import encode_metrics, encode_spans
from kindling.otlp.mailbox import Mailbox
from kindling.otlp.outcome import Delivered, Refused, Retry, Transport

Say = Callable[[str], None]

#: Rows a request carries: some hundred kilobytes. gRPC's usual limit is 4 MiB.
MAX_ROWS: Final = 500
MAX_SPANS: Final = 512


@dataclass(slots=True)
class Counts:
    """Data points and spans, since the start."""

    sent: int = 0
    failed: int = 0
    """Refused by the collector, whole requests of them."""
    rejected: int = 0
    """Not taken by the collector out of requests that it took (partial success)."""
    dropped: int = 0
    """Given up after `retry_seconds`, or at the end."""
    retried: int = 0
    """Attempts beyond the first one."""
    missed_metrics: int = 0
    """Requests with metrics that were given up: everything is sent again."""


class Sender:
    """`clock`: seconds, steady."""

    def __init__(
        self,
        settings: Otlp,
        node: str,
        mailbox: Mailbox,
        transport: Transport,
        say: Say,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._settings = settings
        self._node = node
        self._mailbox = mailbox
        self._transport = transport
        self._say = say
        self._clock = clock
        self._stopping = threading.Event()
        self._backoff = Backoff()
        self._end = float("inf")
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="kindling-otlp", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Delivers what is left, as far as `stop_seconds` allow.

        The thread is a daemon: nobody waits longer for it.
        """
        self._end = self._clock() + self._settings.stop_seconds
        self._mailbox.close()
        self._stopping.set()
        if not self._thread.is_alive():
            return
        self._thread.join(self._settings.stop_seconds)
        if self._thread.is_alive():
            self._transport.abort()
            self._thread.join(1.0)

    def _run(self) -> None:
        while self._mailbox.wait():
            self._send_metrics()
            self._send_spans()
        self._transport.close()

    def _send_metrics(self) -> None:
        readings = self._mailbox.take_readings(MAX_ROWS)
        if readings:
            body, points = encode_metrics(readings, self._node, details=self._settings.details)
            if points and not self._deliver("metrics", body, points):
                self.counts.missed_metrics += 1

    def _send_spans(self) -> None:
        events = self._mailbox.take_spans(MAX_SPANS)
        if events:
            self._deliver("traces", *encode_spans(events, self._node))

    def _deliver(self, signal: str, body: bytes, items: int) -> bool:
        """Until it is delivered, refused or too old; False when it was given up."""
        give_up = self._clock() + self._settings.retry_seconds
        while self._clock() < self._end:
            result = self._transport.send(signal, body)
            if isinstance(result, Delivered):
                self._backoff.reset()
                self.counts.sent += max(0, items - result.partial.rejected)
                self.counts.rejected += min(items, result.partial.rejected)
                said = result.partial.message
                self._report(f"takes not all of the {signal}: {said}" if said else "")
                return True
            if isinstance(result, Refused):
                self.counts.failed += items
                self._report(f"refuses {signal}: {result.reason}")
                return True
            self._report(f"is not reached: {result.reason}; trying again")
            if not self._wait(result, give_up):
                break
            self.counts.retried += 1
        self.counts.dropped += items
        return False

    def _wait(self, result: Retry, give_up: float) -> bool:
        """False when there is no time for another attempt. While stopping there is one more, at once."""
        if self._stopping.is_set():
            return False
        pause = self._backoff.wait(result.after)
        if self._clock() + pause > give_up:
            return False
        self._stopping.wait(pause)
        return True

    def _report(self, trouble: str) -> None:
        """Once for each trouble, and once when it is over."""
        if trouble == self._trouble:
            return
        before, self._trouble = self._trouble, trouble
        if trouble:
            self._say(f"the OTLP collector {trouble}")
        elif before:
            self._say("the OTLP collector takes everything again")
