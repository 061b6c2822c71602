"""The export to an OpenTelemetry collector as the agent sees it: it looks at every reading, and never waits."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from kindling.config import Otlp
from kindling.export.trace import News
from kindling.model import Snapshot
from kindling.otlp.mailbox import Mailbox
from kindling.otlp.outcome import Transport
from kindling.otlp.sender import Say, Sender
from kindling.otlp.streams import Streams

#: Time a reading may take in the agent's thread; the rest is looked at in the next one.
STEP_SECONDS: Final = 0.006
_NO_LIMIT: Final = 3_600.0


class OtlpExporter:
    """All but `start` and `close` is quick. `clock`: seconds, steady."""

    def __init__(
        self,
        settings: Otlp,
        say: Say,
        *,
        interval: float = 1.0,
        node: str = "",
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`interval`: seconds between two readings. Raises SettingError."""
        self._settings = settings
        self._clock = clock
        self._mailbox = Mailbox(settings.queue_spans)
        self._sender = Sender(
            settings, node or socket.gethostname(), self._mailbox, transport or open_transport(settings), say
        )
        self._streams = Streams(settings.series, interval, details=settings.details)
        self._news = News()
        self._due = float("-inf")
        self._refresh_due = float("-inf")
        self._missed = 0
        self._snapshot: Snapshot | None = None

    def start(self) -> None:
        self._sender.start()

    def observe(self, snapshot: Snapshot) -> None:
        """Called after each reading of the tables, between two ticks."""
        self._snapshot = snapshot
        fresh = self._news.take(snapshot.requests) if self._settings.traces else []
        readings = []
        if self._settings.metrics:
            if self._streams.done and self._clock() >= self._due:
                self._begin(snapshot)
            if not self._streams.done:
                readings = self._streams.step(STEP_SECONDS)
        if readings or fresh:
            self._mailbox.put(readings, fresh)

    def close(self) -> None:
        """Sends what was counted up to now, as far as the time for stopping allows."""
        if self._settings.metrics and self._snapshot is not None:
            while not self._streams.done:
                self._mailbox.put(self._streams.step(_NO_LIMIT), ())
            self._streams.begin(self._snapshot, full=False)
            self._mailbox.put(self._streams.step(_NO_LIMIT), ())
        self._sender.close()

    def stats(self) -> dict[str, float]:
        """Gauges and counters, see docs/otlp.md."""
        counts = self._sender.counts
        return {
            "otlp.sent": counts.sent,
            "otlp.failed": counts.failed,
            "otlp.rejected": counts.rejected,
            "otlp.retried": counts.retried,
            "otlp.dropped": counts.dropped + self._mailbox.dropped,
            "otlp.pending": len(self._mailbox),
            "otlp.rows": len(self._streams),
            "otlp.overflow": self._streams.overflowing,
        }

    def _begin(self, snapshot: Snapshot) -> None:
        """All series in turn; all of them whole when a while has passed, or when the collector missed some."""
        now, missed = self._clock(), self._sender.counts.missed_metrics
        full = now >= self._refresh_due or missed != self._missed
        if full:
            self._refresh_due = now + self._settings.refresh_seconds
        self._missed = missed
        self._due = now + self._settings.interval
        self._streams.begin(snapshot, full=full)


def open_transport(settings: Otlp) -> Transport:
    """Imports what carries it, and no more. Raises SettingError."""
    if settings.protocol == "grpc":
        from kindling.otlp.grpc import GrpcTransport

        return GrpcTransport(settings)
    from kindling.otlp.http import HttpTransport

    return HttpTransport(settings)
