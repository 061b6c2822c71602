"""The agent's real HTTP face over rows that stand still, on a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp

from kindling.agent.server import HttpServer
from kindling.config import NO_FILE, Server
from kindling.export.horizon import Horizon
from kindling.export.prometheus import Exporter
from kindling.inventory import Recorder
from kindling.model import Snapshot
from kindling.table.ticks import Ticks


class FixedView:
    """An agent that stands still; change `shown` to let it move."""

    inventory: Recorder | None = None

    def __init__(self, shown: Snapshot) -> None:
        self.shown = shown
        self.ticks = Ticks()
        self.horizon = Horizon()
        self.exporter = Exporter(node="node-1", horizon=self.horizon)

    def snapshot(self) -> Snapshot:
        return self.shown

    def healthy(self) -> bool:
        return True

    def status(self) -> dict[str, Any]:
        return {
            "version": "9.8.7",
            "node": "node-1",
            "pid": 17,
            "interval_seconds": 1.0,
            "last_tick_seconds": 0.002,
            "started": self.shown.since,
            "cpu_user_seconds": 1.0,
            "cpu_system_seconds": 0.5,
            "resident_bytes": 52_000_000,
            "flows": len(self.shown.flows),
            "operations": len(self.shown.ops),
            "stats": dict(self.shown.stats),
        }


@contextmanager
def serving(app: ASGIApp, settings: Server | None = None) -> Iterator[str]:
    """Serve in a thread; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        ready = threading.Event()
        found: list[tuple[asyncio.AbstractEventLoop, HttpServer]] = []

        async def run() -> None:
            server = HttpServer(app, listener, settings)
            found.append((asyncio.get_running_loop(), server))
            ready.set()
            await server.run()

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        ready.wait()
        try:
            yield f"{'https' if settings and settings.tls_cert != NO_FILE else 'http'}://127.0.0.1:{port}"
        finally:
            loop, server = found[0]
            loop.call_soon_threadsafe(server.stop)
            thread.join()
