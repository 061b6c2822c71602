"""Calls an ASGI application without a server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower case) and body as they left the application."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def get(
    app: ASGIApp,
    target: str,
    headers: dict[str, str] | None = None,
    *,
    method: str = "GET",
    client: str = "127.0.0.1",
    state: dict[str, Any] | None = None,
) -> Answer:
    """One request, the whole response."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in ({"host": "localhost"} | (headers or {})).items()],
        "client": (client, 1),
        "state": state or {},
        "server": ("127.0.0.1", 9500),
    }
    sent: list[Message] = []

    async def call() -> None:
        async def receive() -> Message:
            if sent and not sent[-1].get("more_body", True):
                return {"type": "http.disconnect"}
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(call())
    start = sent[0]
    return Answer(
        status=start["status"],
        headers={k.decode(): v.decode() for k, v in start["headers"]},
        body=b"".join(message.get("body", b"") for message in sent[1:]),
    )
