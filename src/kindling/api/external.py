"""/api/v1/external: the durable list of destinations outside this host, and its history."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kindling.api.answers import Rows
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
        accepted = request.headers.get("accept-encoding", "")

        def written(connection: sqlite3.Connection) -> tuple[Rows, Answer]:
            rows = Rows(accepted)
            return rows, answer(connection, query, active, rows.add)

        rows, found = await _ask(view, written, days=timed)
        return rows.response(_head(view, "external", found.total, found))

    async def days(request: Request) -> Response:
        query = query_of(request.query_params.multi_items())

        def both(connection: sqlite3.Connection) -> tuple[list[Record], Answer]:
            return history(connection, query), answer(connection, replace(query, limit=1))

        records, found = await _ask(view, both, days=True)
        rows = Rows(request.headers.get("accept-encoding", ""))
        for record in records:
            rows.add(record)
        return rows.response(_head(view, "external/history", len(records), found))

    return [Route("/api/v1/external", external), Route("/api/v1/external/history", days)]


def _active(view: View) -> list[FlowRow]:
    if view.inventory:
        return view.inventory.active()
    return [row for row in view.snapshot().flows if row.active > 0]


async def _ask(view: View, question: Callable[[sqlite3.Connection], T], *, days: bool) -> T:
    if view.inventory is None:
        return asked_of(view.snapshot(), question)
    return await asyncio.wrap_future(view.inventory.ask(question, days=days))


def _head(view: View, table: str, total: int, found: Answer) -> Record:
    snapshot = view.snapshot()
    if view.inventory is None:
        found = replace(found, periods=(Period(snapshot.since, snapshot.time, snapshot.lost),))
    state = view.inventory.state() if view.inventory else State(entries=found.total)
    return {"table": table, "total": total, "coverage": coverage(found, state, now=snapshot.time)}
