"""Slow and failed requests as a gauge: the last one of each label set stays until it is old.

Unlike a gauge that is emptied when it is read, this one shows the same to every scraper.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final

from kindling.export.families import TRACE_LABELS
from kindling.export.peers import Endpoints, side
from kindling.export.text import labels
from kindling.model import RequestEvent

MAX_SERIES: Final = 5_000
MAX_AGE_SECONDS: Final = 3_600.0

_MS: Final = 1_000_000


def duration_status(nanoseconds: int) -> str:
    """1 normal, 2 warning, 3 abnormal, of the whole request."""
    return _status(nanoseconds, 800, 1500)


def part_status(nanoseconds: int) -> str:
    """The same of the transfer of the request, the time to the first byte, the transfer of the response."""
    return _status(nanoseconds, 200, 1000)


def _status(nanoseconds: int, warning_ms: int, abnormal_ms: int) -> str:
    if nanoseconds > abnormal_ms * _MS:
        return "3"
    return "2" if nanoseconds > warning_ms * _MS else "1"


class TraceSeries:
    """Label text -> (duration, time), least lately seen first."""

    def __init__(self, node: str, *, max_series: int = MAX_SERIES, max_age: float = MAX_AGE_SECONDS) -> None:
        self._node = node
        self._max_series = max_series
        self._max_age = max_age
        self._series: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._last: RequestEvent | None = None
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._series)

    def update(self, recent: Sequence[RequestEvent], endpoints: Endpoints) -> None:
        """Take what is new among the `recent` requests (newest last)."""
        if not recent or recent[-1] is self._last:
            return
        fresh = list(takewhile(lambda event: event is not self._last, reversed(recent)))
        self._last = recent[-1]
        for event in reversed(fresh):
            text = labels(TRACE_LABELS, trace_labels(event, self._node, endpoints))
            self._series[text] = (event.duration_ns, event.time)
            self._series.move_to_end(text)
        while len(self._series) > self._max_series:
            self._series.popitem(last=False)
            self.evicted += 1

    def forget(self, now: float) -> None:
        """Give up what is too old."""
        while self._series and now - next(iter(self._series.values()))[1] > self._max_age:
            self._series.popitem(last=False)

    def items(self) -> Iterable[tuple[str, int]]:
        for text, (duration, _) in self._series.items():
            yield text, duration


def trace_labels(event: RequestEvent, node: str, endpoints: Endpoints) -> Mapping[str, str]:
    """Source is the client, destination the server, whichever of them is on this host."""
    here = side(event.workload, node, event.local_ip)
    is_server = event.role == "server"
    if is_server:
        source, target = {"ip": event.remote_ip}, here
        port = event.local_port
    else:
        source, target = here, endpoints.side(event.remote_ip, event.remote_port, node)
        port = event.remote_port
    return {
        **{f"src_{name}": value for name, value in source.items()},
        **{f"dst_{name}": value for name, value in target.items()},
        "dst_port": str(port),
        "protocol": event.protocol,
        "is_server": "true" if is_server else "false",
        "request_content": event.content,
        "response_content": event.status,
        "request_duration_status": duration_status(event.duration_ns),
        "request_reqxfer_status": part_status(event.send_ns),
        "request_processing_status": part_status(event.wait_ns),
        "response_rspxfer_status": part_status(event.receive_ns),
    }
