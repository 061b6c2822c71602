"""Slow and failed requests as spans (trace.proto, field numbers beside each).

A span has its phases as attributes (seconds) and as events at the moment each ended. Its ids are those that
exemplars on `/metrics` carry.
"""

from __future__ import annotations

from typing import Final

from kindling.export.spans import span_ids
from kindling.model import RequestEvent
from kindling.otlp.attributes import event_attributes, is_failure
from kindling.otlp.messages import attributes, nanoseconds
from kindling.otlp.wire import data, fixed64, number, text

_KINDS: Final = {"server": 2, "client": 3}
_INTERNAL: Final = 1
_STATUS_ERROR: Final = number(3, 2)
SENT: Final = "kindling.request.sent"
FIRST_BYTE: Final = "kindling.response.started"


def encode_span(event: RequestEvent, node: str) -> bytes:
    """A field `spans` (2) of ScopeSpans."""
    trace, span = span_ids(event, node)
    end = nanoseconds(event.time)
    start = max(0, end - event.duration_ns)
    pairs = dict(event_attributes(event))
    pairs |= {
        "kindling.phase.send": event.send_ns / 1e9,
        "kindling.phase.wait": event.wait_ns / 1e9,
        "kindling.phase.receive": event.receive_ns / 1e9,
    }
    body = (
        data(1, bytes.fromhex(trace))
        + data(2, bytes.fromhex(span))
        + text(5, event.operation or event.protocol)
        + number(6, _KINDS.get(event.role, _INTERNAL))
        + fixed64(7, start)
        + fixed64(8, end)
        + attributes(9, pairs)
        + data(11, fixed64(1, start + event.send_ns) + text(2, SENT))
    )
    if event.status:  # an answer came
        body += data(11, fixed64(1, start + event.send_ns + event.wait_ns) + text(2, FIRST_BYTE))
    if is_failure(event.protocol, event.role, event.status, error=event.error):
        body += data(15, _STATUS_ERROR)
    return data(2, body)
