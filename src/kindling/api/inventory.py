"""What can be asked of the durable list, and what its answers consist of; `external` answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypedDict

from starlette.requests import Request

from kindling.api import external
from kindling.api.answers import any_of
from kindling.api.operations import Operation
from kindling.api.parameters import LARGEST_LIMIT, Parameter, filters, moment, one_of, whole
from kindling.api.view import View
from kindling.export.record_types import CoverageRecord, WorkloadRecord
from kindling.inventory.groups import GROUPINGS
from kindling.inventory.query import DEFAULT_SORT, SORTABLE, Query


class _Numbers(TypedDict):
    connections: int
    failures: int
    failed: dict[str, int]
    bytes_out: int
    bytes_in: int
    connections_by_evidence: dict[str, int]


class ExternalItem(WorkloadRecord, _Numbers):
    """A workload, what it reaches, and how much."""

    destination: str
    name: str
    evidence: str
    addresses: list[str]
    more_addresses: int
    port: int
    transport: str
    protocol: str
    scope: str
    network: str
    inferred: bool
    active: int
    tls_version: str
    alpn: str
    first_seen: float
    last_seen: float


class _GroupName(TypedDict, total=False):
    destination: str
    workload: str
    namespace: str
    domain: str
    scope: str


class ExternalGroup(_GroupName, _Numbers):
    """What has the value of `group_by` in common; the key of that name holds it."""

    destinations: int
    workloads: int
    ports: list[int]
    protocols: list[str]
    scopes: list[str]
    evidence: str
    active: int
    first_seen: float
    last_seen: float


class ExternalDay(_Numbers):
    """A day (UTC) on which something happened."""

    day: str
    entries: int


class GapRecord(TypedDict):
    """A time in which nobody watched."""

    since: float
    until: float


class TroubleRecord(TypedDict):
    """Why the list cannot be written."""

    reason: str
    since: float


class ListCoverageRecord(CoverageRecord):
    """And what the list knows of itself; `notes` are lines for people."""

    connections: int
    named: int
    connections_by_evidence: dict[str, int]
    watched_seconds: float
    gaps: list[GapRecord]
    whole_days: bool
    entries: int
    forgotten: int
    pending: int
    dropped: int
    trouble: TroubleRecord | None
    notes: list[str]


_Row = Annotated[Any, any_of(ExternalItem, ExternalGroup)]


class ExternalPage(TypedDict):
    table: str
    total: int
    coverage: ListCoverageRecord
    rows: list[_Row]


class HistoryPage(TypedDict):
    table: str
    total: int
    coverage: ListCoverageRecord
    rows: list[ExternalDay]


#: Named by the pages only.
PARTS: Final = (ExternalItem, ExternalGroup)
_FILTERS: Final = (
    "workload",
    "namespace",
    "port",
    "protocol",
    "destination",
    "scope",
    "transport",
    "evidence",
    "search",
    "since",
    "until",
)


def operations(view: View) -> list[Operation]:
    answers = {route.path: route.endpoint for route in external.routes(view)}

    def call(path: str) -> Any:
        def ask(request: Request, given: Mapping[str, Any]) -> Any:
            del given  # what was asked is understood; the list reads it once more
            return answers[path](request)

        return ask

    def operation(path: str, name: str, summary: str, answer: Any) -> Operation:
        return Operation(path, name, summary, call(path), answer, _parameters())

    return [
        operation(
            "/api/v1/external",
            "external",
            "Destinations outside this host, durably: since when, how often, how much",
            ExternalPage,
        ),
        operation("/api/v1/external/history", "external-history", "What each day (UTC) added to the list", HistoryPage),
    ]


def _parameters() -> tuple[Parameter, ...]:
    keys = dict.fromkeys([*SORTABLE, *(key for group in GROUPINGS for key in Query(group_by=group).sortable)])
    choices = ["", *keys, *(f"-{key}" for key in keys)]
    return (
        *filters(_FILTERS),
        moment("new_since", "Seen for the first time at or after this time, in unix seconds."),
        one_of("group_by", "What to put together.", ["", *GROUPINGS], default=""),
        one_of("sort", f"`{DEFAULT_SORT}` unless given; groups have fewer keys.", choices, default=""),
        whole("limit", "Rows; 0: all.", largest=LARGEST_LIMIT, default=0),
    )
