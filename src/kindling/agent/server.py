"""uvicorn without what an agent does not need: no log, no signals of its own, no ten wake-ups a second."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette

_GRACE_SECONDS = 2


class HttpServer:
    """Serves an application on a socket, in the running event loop, until `stop`."""

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        import uvicorn

        class Quiet(uvicorn.Server):
            """Sleeps until it is told to stop, instead of looking ten times a second."""

            def __init__(self, config: uvicorn.Config) -> None:
                super().__init__(config)
                self.stopped = asyncio.Event()

            async def main_loop(self) -> None:
                await self.stopped.wait()

        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            limit_concurrency=64,
        )
        config.load()
        self._server = Quiet(config)
        self._server.lifespan = config.lifespan_class(config)
        self._listener = listener

    async def run(self) -> None:
        await self._server.startup(sockets=[self._listener])
        try:
            await self._server.main_loop()
        finally:
            await self._server.shutdown(sockets=[self._listener])

    def stop(self) -> None:
        self._server.stopped.set()
