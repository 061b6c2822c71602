"""What JSON answers consist of, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypedDict

import msgspec
from starlette.responses import Response

from kindling.api.operations import JSON
from kindling.api.pieces import Pieces, response_of
from kindling.export.record_types import (
    CoverageRecord,
    DnsRecord,
    ExternalRecord,
    FlowRecord,
    RequestEventRecord,
    RequestRecord,
)

#: Where the OpenAPI document keeps a type.
REF: Final = "#/components/schemas/{name}"
_BATCH: Final = 200


class _Row(TypedDict):
    id: str


class FlowItem(FlowRecord, _Row):
    """Connections between a workload and a remote endpoint."""


class RequestItem(RequestRecord, _Row):
    """Requests of one operation with one status."""


class DnsItem(DnsRecord, _Row):
    """A DNS question with one outcome, and the newest answer to it that was seen."""


class EventItem(RequestEventRecord, _Row):
    """A slow or failed request, or a connection that did not come to be."""


class ExternalLiveItem(ExternalRecord, _Row):
    """A destination outside this host, as the live tables know it."""


class _Page(TypedDict):
    table: str
    total: int
    next: str | None
    coverage: CoverageRecord


class FlowPage(_Page):
    rows: list[FlowItem]


class RequestPage(_Page):
    rows: list[RequestItem]


class DnsPage(_Page):
    rows: list[DnsItem]


class EventPage(_Page):
    rows: list[EventItem]


class StatusRecord(TypedDict):
    """The agent itself."""

    version: str
    node: str
    pid: int
    interval_seconds: float
    last_tick_seconds: float
    started: float
    cpu_user_seconds: float
    cpu_system_seconds: float
    resident_bytes: int
    flows: int
    operations: int
    stats: dict[str, float]
    coverage: CoverageRecord


def any_of(*types: type) -> Any:
    """For the description: msgspec tells no two objects of a union apart, and need not, for it only writes them."""
    return msgspec.Meta(extra_json_schema={"anyOf": [{"$ref": REF.format(name=each.__name__)} for each in types]})


PAGES: Final[dict[str, Any]] = {"flows": FlowPage, "requests": RequestPage, "dns": DnsPage, "events": EventPage}


def encode(value: Any) -> bytes:
    """JSON. Text that is no Unicode (a file's name may be anything) loses what cannot be written."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_clean(value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_clean(key): _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def document(head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Iterable[bytes]:
    """An object of `head` and `rows`, in pieces: the records are never all in memory."""
    yield encode(head)[:-1] + b',"rows":['
    batch: list[bytes] = []
    separator = b""
    for row in rows:
        batch.append(encode(row))
        if len(batch) == _BATCH:
            yield separator + b",".join(batch)
            separator = b","
            batch.clear()
    yield (separator if batch else b"") + b",".join(batch) + b"]}"


def json_response(pieces: Iterable[bytes], accepted: str) -> Response:
    """`accepted`: the request's Accept-Encoding."""
    return response_of(pieces, accepted, {"content-type": JSON})


class Rows:
    """An answer whose rows are known before the rest of it: of a long list no record stays in memory."""

    def __init__(self, accepted: str) -> None:
        """`accepted`: the request's Accept-Encoding."""
        self._pieces = Pieces(accepted)
        self._before = b'{"rows":['

    def add(self, row: Mapping[str, Any]) -> None:
        self._pieces.add(self._before + encode(row))
        self._before = b","

    def response(self, rest: Mapping[str, Any]) -> Response:
        """`rest`: what there is beside the rows."""
        start = b"" if self._before == b"," else self._before
        self._pieces.add(start + b"]," + encode(rest)[1:])
        return self._pieces.response({"content-type": JSON})
