"""Everything that can be asked, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from kindling.api import inventory, problems, streams, tables
from kindling.api.answers import StatusRecord, encode
from kindling.api.guard import Guard
from kindling.api.operations import JSON, TEXT, Operation
from kindling.api.page import CONTENT_SECURITY_POLICY, render_page
from kindling.api.parameters import one_of, read_query
from kindling.api.pieces import response_of
from kindling.api.view import View
from kindling.config import Server
from kindling.export.coverage import coverage
from kindling.export.prometheus import content_type, wants_openmetrics
from kindling.export.tables import TABLES


def create_app(view: View, settings: Server | None = None, *, loopback: bool = True) -> Guard:
    """The application over one agent. `loopback`: it is reached from this host only.

    Raises SettingError: a token file that holds none.
    """
    settings = settings or Server()
    operations = [*_operations(view), *streams.operations(view, streams.Streams(settings.max_streams))]

    async def openapi(request: Request) -> Response:
        # not made at the start: few ask, and what makes it takes memory
        from kindling.api.openapi import document

        read_query(request.scope["query_string"], ())
        return Response(document(operations, (*inventory.PARTS, *streams.PARTS), settings), media_type=JSON)

    async def nothing(request: Request) -> Response:
        del request
        return Response(status_code=204, headers={"cache-control": "max-age=86400"})

    routes = [
        *(operation.route() for operation in operations),
        Route("/api/v1/openapi.json", openapi),
        Route("/favicon.ico", nothing),
    ]
    app = Starlette(routes=routes, exception_handlers=problems.HANDLERS)
    app.router.redirect_slashes = False
    return Guard(app, settings, loopback=loopback)


def _operations(view: View) -> list[Operation]:
    def metrics(request: Request, given: Mapping[str, Any]) -> Response:
        del given
        openmetrics = wants_openmetrics(request.headers.get("accept", ""))
        pieces = view.exporter.render(view.snapshot(), openmetrics=openmetrics)
        headers = {"content-type": content_type(openmetrics=openmetrics), "vary": "accept, accept-encoding"}
        return response_of(pieces, request.headers.get("accept-encoding", ""), headers)

    def healthz(request: Request, given: Mapping[str, Any]) -> Response:
        del request, given
        healthy = view.healthy()
        return Response("ok\n" if healthy else "stale\n", 200 if healthy else 503, media_type=TEXT)

    def status(request: Request, given: Mapping[str, Any]) -> Response:
        del request, given
        return Response(encode({**view.status(), "coverage": coverage(view.snapshot())}), media_type=JSON)

    def index(request: Request, given: Mapping[str, Any]) -> Response:
        del request
        html = render_page(view.snapshot(), view.horizon, TABLES[given["table"]], node=view.exporter.node)
        return HTMLResponse(html, headers={"content-security-policy": CONTENT_SECURITY_POLICY})

    shown = one_of("table", "Which table the page shows.", list(TABLES), default="external")
    return [
        Operation("/", "page", "The live tables as a page", index, parameters=(shown,), media_type="text/html"),
        Operation("/metrics", "metrics", "Metrics for Prometheus", metrics, media_type=TEXT),
        Operation(
            "/healthz",
            "healthz",
            "Whether the tables were read lately",
            healthz,
            media_type=TEXT,
            answers=(200, 503),
        ),
        *tables.operations(view),
        *inventory.operations(view),
        Operation("/api/v1/status", "status", "The agent itself", status, answer=StatusRecord),
    ]
