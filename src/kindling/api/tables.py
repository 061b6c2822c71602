"""/api/v1/flows, requests, dns and events: the live tables, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from kindling.api.answers import PAGES, document, json_response
from kindling.api.operations import Operation
from kindling.api.parameters import CURSOR, LARGEST_LIMIT, filter_of, filters, sorting, whole
from kindling.api.problems import Problem
from kindling.api.view import View
from kindling.errors import InputError
from kindling.export.coverage import coverage
from kindling.export.order import Order, Place, Row
from kindling.export.table import Table, matching
from kindling.export.tables import DNS, EVENTS, FLOWS, REQUESTS

_TABLES: Final = (FLOWS, REQUESTS, DNS, EVENTS)


def operations(view: View) -> list[Operation]:
    return [_operation(view, table) for table in _TABLES]


def _operation(view: View, table: Table) -> Operation:
    def call(request: Request, given: Mapping[str, Any]) -> Response:
        return _page(view, table, given, request.headers.get("accept-encoding", ""))

    return Operation(
        path=f"/api/v1/{table.name}",
        name=table.name,
        summary=table.title,
        call=call,
        answer=PAGES[table.name],
        parameters=(
            *filters(table.filters),
            sorting(table.sortable, table.sort),
            whole("limit", "Rows of a page; 0: all.", largest=LARGEST_LIMIT, default=0),
            CURSOR,
        ),
    )


def _page(view: View, table: Table, given: Mapping[str, Any], accepted: str) -> Response:
    snapshot = view.snapshot()
    order = table.order(given["sort"])
    rows = order.sorted(matching(table, snapshot, view.horizon, filter_of(given)))
    total = len(rows)
    if given["cursor"]:
        rows = order.after(_place(given["cursor"], order), rows)
    shown = rows[: given["limit"] or None]
    more = len(rows) > len(shown)
    head = {
        "table": table.name,
        "total": total,
        "next": _cursor(order, shown[-1]) if more else None,
        "coverage": coverage(snapshot),
    }
    return json_response(document(head, (item(table, row) for row in shown)), accepted)


def item(table: Table, row: Row) -> dict[str, Any]:
    """A record and what tells it from others."""
    return {**table.record(row), "id": str(table.number(row))}


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a cursor says, as JSON in base64."""

    sort: str
    value: float | str
    number: int


def _cursor(order: Order, last: Row) -> str:
    from base64 import urlsafe_b64encode

    place = order.place(last)
    sort = f"-{order.key}" if order.backwards else order.key
    value = place.value.encode(errors="replace").decode() if isinstance(place.value, str) else place.value
    return urlsafe_b64encode(msgspec.json.encode(_Cursor(sort, value, place.number))).decode().rstrip("=")


def _place(text: str, order: Order) -> Place:
    from base64 import urlsafe_b64decode

    try:
        found = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except (ValueError, msgspec.MsgspecError):
        raise Problem(
            400, "The cursor cannot be read.", hint="Give `next` of the page before as it is.", kind="bad-parameter"
        ) from None
    if found.sort.removeprefix("-") != order.key or found.sort.startswith("-") != order.backwards:
        raise InputError("The cursor belongs to another order.", hint="Ask with the sort that gave it.")
    return Place(found.value, found.number)
