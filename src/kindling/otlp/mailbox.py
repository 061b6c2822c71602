"""What waits to be sent: of each series its newest numbers, of requests as many as there is room for.

Cumulative numbers need no queue: what a collector missed is in the next ones. Memory is bounded by the series.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from itertools import islice

from kindling.model import RequestEvent
from kindling.otlp.streams import Reading, Stream


class Mailbox:
    """Filled by the agent's thread, emptied by the exporter's."""

    def __init__(self, max_spans: int) -> None:
        self.dropped = 0
        """Spans that found no room; the oldest go."""
        self._max_spans = max_spans
        self._readings: dict[tuple[Stream, bool], Reading] = {}
        self._spans: deque[RequestEvent] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._readings) + len(self._spans)

    def put(self, readings: Iterable[Reading], requests: Iterable[RequestEvent]) -> None:
        """Never waits for the collector."""
        with self._changed:
            for reading in readings:
                self._readings[reading.stream, reading.stale] = reading
            self._spans.extend(requests)
            while len(self._spans) > self._max_spans:
                self._spans.popleft()
                self.dropped += 1
            if self._readings or self._spans:
                self._changed.notify()

    def wait(self) -> bool:
        """Until there is something; False when it is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._readings or self._spans)
            return bool(self._readings or self._spans)

    def take_readings(self, at_most: int) -> list[Reading]:
        """Oldest first: the end of a series comes after its numbers."""
        with self._changed:
            taken = list(islice(self._readings.items(), at_most))
            for key, _ in taken:
                del self._readings[key]
        return [reading for _, reading in taken]

    def take_spans(self, at_most: int) -> list[RequestEvent]:
        with self._changed:
            return [self._spans.popleft() for _ in range(min(at_most, len(self._spans)))]

    def close(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
