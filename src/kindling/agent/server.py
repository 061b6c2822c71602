"""uvicorn without what an agent does not need: no log, no signals of its own, no ten wake-ups a second."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from kindling.agent.tls import tls_context
from kindling.config import Server

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_GRACE_SECONDS: Final = 2

_BACKLOG: Final = 128
#: Of a connection, in the kernel. It would grow to megabytes for a reader that hangs.
_SEND_BUFFER: Final = 256 << 10


class HttpServer:
    """Serves an application on a socket, in the running event loop, until `stop`."""

    def __init__(self, app: ASGIApp, listener: socket.socket, settings: Server | None = None) -> None:
        """Raises SettingError: certificates that cannot be used."""
        import uvicorn

        from kindling.agent.connections import Connection, Connections
        from kindling.api.guard import LARGEST_HEAD

        chosen = settings or Server()
        self._connections = connections = Connections(chosen)
        context = tls_context(chosen)

        class Quiet(uvicorn.Server):
            """Sleeps until it is told to stop, instead of looking ten times a second."""

            def __init__(self, config: uvicorn.Config) -> None:
                super().__init__(config)
                self.stopped = asyncio.Event()

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                """As uvicorn's, but a handshake has to end in time."""
                loop = asyncio.get_running_loop()

                def connection() -> asyncio.Protocol:
                    return Connection(self.config, self.server_state, {}, connections=connections)

                self.servers = [
                    await loop.create_server(
                        connection,
                        sock=each,
                        ssl=context,
                        backlog=_BACKLOG,
                        ssl_handshake_timeout=chosen.header_seconds if context else None,
                    )
                    for each in sockets or ()
                ]
                self.started = True

            async def main_loop(self) -> None:
                await self.stopped.wait()

        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=max(1, round(chosen.idle_seconds)),
            timeout_graceful_shutdown=_GRACE_SECONDS,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        config.load()
        self._server = Quiet(config)
        self._server.lifespan = config.lifespan_class(config)
        self._listener = listener
        # accepted connections take these over
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(chosen.unread_seconds * 1000))

    def stats(self) -> dict[str, float]:
        return {"http.connections": len(self._connections), "http.cut": self._connections.cut}

    async def run(self) -> None:
        await self._server.startup(sockets=[self._listener])
        try:
            await self._server.main_loop()
        finally:
            await self._server.shutdown(sockets=[self._listener])

    def stop(self) -> None:
        self._server.stopped.set()
