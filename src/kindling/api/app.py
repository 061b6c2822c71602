"""Routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from kindling.api import external
from kindling.api.compress import accepts_gzip, gzipped
from kindling.api.page import render_page
from kindling.api.view import View
from kindling.errors import InputError
from kindling.export import records
from kindling.export.coverage import coverage
from kindling.export.prometheus import CONTENT_TYPE
from kindling.export.tables import TABLES, Table, select
from kindling.model import FailureEvent, RequestEvent

MAX_EVENTS = 1_000

Handler = Callable[[Request], Awaitable[Response]]


def create_app(view: View) -> Starlette:
    """The application over one agent."""

    async def metrics(request: Request) -> Response:
        pieces = view.exporter.render(view.snapshot())
        headers = {"content-type": CONTENT_TYPE, "vary": "accept-encoding"}
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(gzipped(pieces), headers={**headers, "content-encoding": "gzip"})
        return Response(b"".join(pieces), headers=headers)

    async def healthz(request: Request) -> Response:
        del request
        healthy = view.healthy()
        return Response("ok\n" if healthy else "stale\n", 200 if healthy else 503, media_type="text/plain")

    def table(chosen: Table) -> Handler:
        async def rows(request: Request) -> Response:
            return _rows(view, chosen, request)

        return rows

    async def events(request: Request) -> Response:
        limit = _limit(request.query_params.get("limit", "")) or MAX_EVENTS
        snapshot = view.snapshot()
        merged: list[RequestEvent | FailureEvent] = [*snapshot.requests, *snapshot.failures]
        merged.sort(key=lambda event: event.time, reverse=True)
        rows = [records.event(event) for event in merged[:limit]]
        return _json({"table": "events", "total": len(merged), "coverage": coverage(snapshot), "rows": rows})

    async def status(request: Request) -> Response:
        del request
        return _json({**view.status(), "coverage": coverage(view.snapshot())})

    async def index(request: Request) -> Response:
        shown = TABLES.get(request.query_params.get("table", ""), TABLES["external"])
        html = render_page(view.snapshot(), view.horizon, shown, node=view.exporter.node)
        return HTMLResponse(html, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})

    routes = [
        Route("/", index),
        Route("/metrics", metrics),
        Route("/healthz", healthz),
        Route("/api/v1/events", events),
        Route("/api/v1/status", status),
        *external.routes(view),
        *(Route(f"/api/v1/{name}", table(chosen)) for name, chosen in TABLES.items() if name != "external"),
    ]
    return Starlette(routes=routes, exception_handlers={InputError: _refuse})


def _rows(view: View, table: Table, request: Request) -> Response:
    query = request.query_params
    snapshot = view.snapshot()
    rows, total = select(
        table, snapshot, view.horizon, sort=query.get("sort", ""), limit=_limit(query.get("limit", ""))
    )
    return _json({"table": table.name, "total": total, "coverage": coverage(snapshot), "rows": rows})


def _limit(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"The limit {text!r} is not a number.", hint="Write a whole number; 0 means all.")
    return int(text)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    del request
    return _json({"error": str(error)}, 400)
