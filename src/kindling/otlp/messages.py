"""Messages of OTLP 1.x: opentelemetry/proto/{common,resource,metrics,trace,collector}/.../v1/*.proto.

Field numbers stand beside each. Every function gives the bytes of a whole message or of a field of its parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import kindling
from kindling.otlp.wire import Malformed, data, double, fields, number, signed, text

Value = str | int | float | bool
Attributes = Mapping[str, Value]

NANOSECONDS: Final = 1_000_000_000

#: InstrumentationScope name = 1, version = 2; `scope` is field 1 of ScopeMetrics and ScopeSpans.
SCOPE: Final = data(1, text(1, "kindling") + text(2, kindling.__version__))


def nanoseconds(seconds: float) -> int:
    """Unix time as OTLP has it."""
    return max(0, round(seconds * 1e6)) * 1_000


def value(given: Value) -> bytes:
    """AnyValue: string_value = 1, bool_value = 2, int_value = 3, double_value = 4"""
    if isinstance(given, str):
        return text(1, given)
    if isinstance(given, bool):
        return number(2, int(given))
    if isinstance(given, int):
        return signed(3, given)
    return double(4, given)


def attributes(field: int, pairs: Attributes) -> bytes:
    """A field of KeyValue (key = 1, value = 2) each. What is "" is left out."""
    parts = [data(field, text(1, key) + data(2, value(each))) for key, each in pairs.items() if each != ""]
    return b"".join(parts)


def resource(pairs: Attributes) -> bytes:
    """Resource attributes = 1; `resource` is field 1 of ResourceMetrics and ResourceSpans."""
    return data(1, attributes(1, pairs))


def export_request(groups: Iterable[tuple[bytes, Iterable[bytes]]]) -> bytes:
    """ExportMetricsServiceRequest, ExportTraceServiceRequest: the same numbers in both.

    `groups`: a resource, and what it has (metrics or spans), each as a field 2 of ScopeMetrics or ScopeSpans.
    resource_metrics, resource_spans = 1; scope_metrics, scope_spans = 2
    """
    return b"".join([data(1, owner + data(2, SCOPE + b"".join(parts))) for owner, parts in groups])


@dataclass(frozen=True, slots=True)
class Partial:
    """What a collector says of a request it took."""

    rejected: int = 0
    """Data points or spans that it did not take."""
    message: str = ""


def partial_success(response: bytes) -> Partial:
    """ExportMetricsServiceResponse, ExportTraceServiceResponse: partial_success = 1, in which rejected_* = 1,
    error_message = 2. What cannot be read says nothing.
    """
    rejected, message = 0, ""
    try:
        for outer, inner in fields(response):
            if outer == 1 and isinstance(inner, bytes):
                for field, content in fields(inner):
                    if field == 1 and isinstance(content, int):
                        rejected = content if content < 1 << 63 else 0
                    elif field == 2 and isinstance(content, bytes):
                        message = content.decode("utf-8", "replace")
    except Malformed:
        return Partial()
    return Partial(rejected, message)


@dataclass(frozen=True, slots=True)
class Status:
    """google.rpc.Status"""

    message: str = ""
    retry_after: float | None = None
    """Seconds, of google.rpc.RetryInfo."""


def rpc_status(body: bytes) -> Status:
    """google.rpc.Status: message = 2, details = 3 (Any: type_url = 1, value = 2). What cannot be read says nothing."""
    message, retry = "", None
    try:
        for field, content in fields(body):
            if field == 2 and isinstance(content, bytes):
                message = content.decode("utf-8", "replace")
            elif field == 3 and isinstance(content, bytes):
                detail = dict(fields(content))
                kind, inner = detail.get(1), detail.get(2, b"")
                if isinstance(kind, bytes) and kind.endswith(b"google.rpc.RetryInfo") and isinstance(inner, bytes):
                    retry = _retry_delay(inner)
    except Malformed:
        pass
    return Status(message, retry)


def _retry_delay(info: bytes) -> float:
    """RetryInfo retry_delay = 1: Duration seconds = 1, nanos = 2"""
    seconds = nanos = 0
    for field, content in fields(info):
        if field == 1 and isinstance(content, bytes):
            duration = dict(fields(content))
            whole, rest = duration.get(1, 0), duration.get(2, 0)
            if isinstance(whole, int) and isinstance(rest, int) and max(whole, rest) < 1 << 63:
                seconds, nanos = whole, rest
    return seconds + nanos / NANOSECONDS
