"""/api/v1/external: the durable list of destinations outside this host, and its history."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kindling.api.view import View
from kindling.inventory.coverage import State, coverage
from kindling.inventory.items import Record
from kindling.inventory.parameters import query_of
from kindling.inventory.query import Answer, answer, history
from kindling.inventory.recorder import asked_of
from kindling.inventory.watching import Period
from kindling.model import FlowRow

T = TypeVar("T")


def routes(view: View) -> list[Route]:
    """Answers come from the inventory's own thread: a long list does not keep the agent from counting."""

    async def external(request: Request) -> Response:
        query = query_of(request.query_params.multi_items())
        active = _active(view)
        timed = query.wanted.since is not None or query.wanted.until is not None
        found = await _ask(view, lambda connection: answer(connection, query, active, _encoded), days=timed)
        return _document(view, "external", found.rows, found.total, found)

    async def days(request: Request) -> Response:
        query = query_of(request.query_params.multi_items())

        def both(connection: sqlite3.Connection) -> tuple[list[Record], Answer]:
            return history(connection, query), answer(connection, replace(query, limit=1))

        rows, found = await _ask(view, both, days=True)
        return _document(view, "external/history", rows, len(rows), found)

    return [Route("/api/v1/external", external), Route("/api/v1/external/history", days)]


def _encoded(record: Record) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(record))


def _active(view: View) -> list[FlowRow]:
    if view.inventory:
        return view.inventory.active()
    return [row for row in view.snapshot().flows if row.active > 0]


async def _ask(view: View, question: Callable[[sqlite3.Connection], T], *, days: bool) -> T:
    if view.inventory is None:
        return asked_of(view.snapshot(), question)
    return await asyncio.wrap_future(view.inventory.ask(question, days=days))


def _document(view: View, table: str, rows: Sequence[Record], total: int, found: Answer) -> Response:
    snapshot = view.snapshot()
    if view.inventory is None:
        found = replace(found, periods=(Period(snapshot.since, snapshot.time, snapshot.lost),))
    state = view.inventory.state() if view.inventory else State(entries=found.total)
    document = {"table": table, "total": total, "coverage": coverage(found, state, now=snapshot.time), "rows": rows}
    return Response(msgspec.json.encode(document), media_type="application/json")
