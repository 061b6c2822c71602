"""/api/v1/external: the durable list of destinations outside this host, and its history."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kindling.api.view import View
from kindling.errors import InputError
from kindling.inventory.coverage import State, coverage
from kindling.inventory.items import Record
from kindling.inventory.query import DEFAULT_SORT, Answer, Query, answer, history
from kindling.inventory.recorder import asked_of
from kindling.inventory.selection import Selection
from kindling.inventory.watching import Period
from kindling.model import FlowRow

T = TypeVar("T")

_TEXTS: Final = ("workload", "namespace", "protocol", "destination", "scope")
_LARGEST_PORT: Final = 65_535
#: Year 9999.
_LAST_MOMENT: Final = 253_402_300_800.0


def routes(view: View) -> list[Route]:
    """Answers come from the inventory's own thread: a long list does not keep the agent from counting."""

    async def external(request: Request) -> Response:
        query = query_of(request.query_params)
        active = _active(view)
        found = await _ask(view, lambda connection: answer(connection, query, active))
        return _document(view, "external", found.rows, found.total, found)

    async def days(request: Request) -> Response:
        query = query_of(request.query_params)

        def both(connection: sqlite3.Connection) -> tuple[list[Record], Answer]:
            return history(connection, query), answer(connection, replace(query, limit=1))

        rows, found = await _ask(view, both)
        return _document(view, "external/history", rows, len(rows), found)

    return [Route("/api/v1/external", external), Route("/api/v1/external/history", days)]


def query_of(parameters: QueryParams) -> Query:
    """Raises InputError."""
    texts = {name: tuple(value for value in parameters.getlist(name) if value) for name in _TEXTS}
    ports = tuple(_whole("port", text, _LARGEST_PORT) for text in parameters.getlist("port") if text)
    return Query(
        selection=Selection(port=ports, search=parameters.get("search", ""), **texts),
        since=_moment(parameters, "since"),
        until=_moment(parameters, "until"),
        new_since=_moment(parameters, "new_since"),
        group_by=parameters.get("group_by", ""),
        sort=parameters.get("sort", "") or DEFAULT_SORT,
        limit=_whole("limit", parameters.get("limit", "") or "0"),
    )


def _whole(name: str, text: str, largest: int | None = None) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10) or (largest is not None and int(text) > largest):
        beyond = f" up to {largest}" if largest else ""
        raise InputError(f"The {name} {text!r} is not a whole number{beyond}.")
    return int(text)


def _moment(parameters: QueryParams, name: str) -> float | None:
    text = parameters.get(name, "")
    if not text:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not abs(moment) < _LAST_MOMENT:
        raise InputError(f"The time {name}={text!r} is not a number of unix seconds.")
    return moment


def _active(view: View) -> list[FlowRow]:
    if view.inventory:
        return view.inventory.active()
    return [row for row in view.snapshot().flows if row.active > 0]


async def _ask(view: View, question: Callable[[sqlite3.Connection], T]) -> T:
    if view.inventory is None:
        return asked_of(view.snapshot(), question)
    return await asyncio.wrap_future(view.inventory.ask(question))


def _document(view: View, table: str, rows: Sequence[Record], total: int, found: Answer) -> Response:
    snapshot = view.snapshot()
    if view.inventory is None:
        found = replace(found, periods=(Period(snapshot.since, snapshot.time, snapshot.lost),))
    state = view.inventory.state() if view.inventory else State(entries=found.total)
    document = {"table": table, "total": total, "coverage": coverage(found, state, now=snapshot.time), "rows": rows}
    return Response(msgspec.json.encode(document), media_type="application/json")
