"""Examples of slow requests on the buckets of their histogram: OpenMetrics 1.0.0, "Exemplars"."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from kindling.export.buckets import INDEX
from kindling.export.requests import content_in_histograms
from kindling.export.spans import span_ids
from kindling.export.text import escape
from kindling.model import RequestEvent
from kindling.model.histogram import bucket

#: Names and values of an exemplar's labels together: the specification's limit, in characters.
MAX_CHARACTERS: Final = 128
MAX_SERIES: Final = 1_000


class Exemplars:
    """The last slow or failed request of each series and bucket; of the series that were seen last."""

    def __init__(self, node: str, *, link_spans: bool, max_series: int = MAX_SERIES) -> None:
        """`link_spans`: the requests are exported as spans too, so tell their ids."""
        self._node = node
        self._link_spans = link_spans
        self._max_series = max_series
        self._series: OrderedDict[Hashable, dict[int, tuple[str, float]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._series)

    def add(self, event: RequestEvent) -> None:
        key = event_key(event)
        known = self._series.setdefault(key, {})
        self._series.move_to_end(key)
        nanoseconds = event.duration_ns
        index = bisect_left(INDEX, bucket(nanoseconds))
        text = f" # {{{self._labels(event)}}} {nanoseconds / 1e9!r} {event.time:.3f}"
        known[index] = (text, event.time)
        if len(self._series) > self._max_series:
            self._series.popitem(last=False)

    def get(self, key: Hashable) -> dict[int, str]:
        """Index of the bucket -> what stands behind its value."""
        known = self._series.get(key)
        return {index: text for index, (text, _) in known.items()} if known else {}

    def forget(self, before: float) -> None:
        """Give up series whose last example is older."""
        while self._series:
            key, known = next(iter(self._series.items()))
            if max(time for _, time in known.values()) >= before:
                return
            del self._series[key]

    def _labels(self, event: RequestEvent) -> str:
        pairs = []
        if self._link_spans:
            trace, span = span_ids(event, self._node)
            pairs = [("trace_id", trace), ("span_id", span)]
        room = MAX_CHARACTERS - sum(len(name) + len(value) for name, value in pairs) - len("request")
        request = event.request.replace('"', "'")[:room]  # parsers stumble over quotes here, escaped or not
        while len(escape(request)) > room:  # some count before the escapes are resolved
            request = request[:-1]
        return ",".join([f'{name}="{escape(value)}"' for name, value in (*pairs, ("request", request))])


def event_key(event: RequestEvent) -> Hashable:
    """The key of the event's series: `operation_key` of its row."""
    server = event.role == "server"
    return (
        event.role,
        event.workload,
        event.workload.container_id,
        event.service,
        event.local_ip,
        "" if server else event.remote_ip,
        "" if server else event.name,
        event.local_port if server else event.remote_port,
        event.protocol,
        content_in_histograms(event.protocol, event.content),
        event.status,
    )
