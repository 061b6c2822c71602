"""Connections of the HTTP server: none may keep another waiting, or memory.

uvicorn's HTTP protocol, with a bound on each thing that a peer could draw out: the request's head, a pause between
requests, reading the answer, the number of connections, and the bytes that wait for slow readers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from kindling.api.guard import CERTIFIED, LARGEST_HEAD
from kindling.api.peers import network_of
from kindling.api.pieces import WAITING, Waiting
from kindling.api.problems import Problem
from kindling.config import Server

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

#: What a slow reader has to take between two looks.
_LEAST_PROGRESS: Final = 4_096
_BAD_REQUEST: Final = 400
_TOO_LARGE: Final = 431


class Connections:
    """Those that are open, the one that was idle for longest first."""

    def __init__(self, settings: Server) -> None:
        self.settings = settings
        self._open: dict[Connection, None] = {}
        self._of_peer: dict[str, int] = {}
        self.cut = 0
        """Connections that were ended because of a bound."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Makes room by closing others that do nothing."""
        peer = connection.peer
        self._open[connection] = None
        self._of_peer[peer] = self._of_peer.get(peer, 0) + 1
        if self._of_peer[peer] > self.settings.connections_per_peer:
            self._drop_one(each for each in self._open if each.peer == peer)
        if len(self._open) > self.settings.max_connections:
            self._drop_one(self._open)

    def remove(self, connection: Connection) -> None:
        if connection in self._open:
            del self._open[connection]
            left = self._of_peer[connection.peer] - 1
            if left:
                self._of_peer[connection.peer] = left
            else:
                del self._of_peer[connection.peer]

    def used(self, connection: Connection) -> None:
        """It did something: it is the last one now."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def make_room(self, newest: Connection) -> None:
        """Cuts slow readers off, the slowest first, until what waits for all is within the bound. Who has just got
        its answer is not slow yet.
        """
        slow = [each for each in self._open if each.behind_since and each is not newest]
        total = newest.unread + sum(each.unread for each in slow)
        for connection in sorted(slow, key=lambda each: each.behind_since):
            if total <= self.settings.max_unread_bytes:
                return
            total -= connection.unread
            connection.cut()

    @staticmethod
    def _drop_one(candidates: Iterable[Connection]) -> None:
        """The one that was idle for longest; when none is, the one that asked longest ago."""
        chosen = list(candidates)
        idle = next((each for each in chosen if each.is_idle), chosen[0])
        idle.cut()


class Connection(H11Protocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = connections if connections is not None else Connections(Server())
        self._settings = self._all.settings
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._unread_before = 0
        self._waiting = Waiting()
        self.behind_since = 0.0
        """Of the loop's clock: since when its reader is slow."""
        self.peer = ""

    # --- what others ask ---------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """No request is being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn gives it with the first request
        return (cycle is None or cycle.response_complete) and not self.unread

    @property
    def unread(self) -> int:
        """Bytes that wait for the reader."""
        return self.transport.get_write_buffer_size() + self._waiting.bytes

    def cut(self) -> None:
        """End it at once, whatever waits."""
        self._all.cut += 1
        self._all.remove(self)
        self.transport.abort()

    # --- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.peer = network_of(self.client[0]) if self.client else ""
        certificate = transport.get_extra_info("peercert")
        self.app_state = {CERTIFIED: bool(certificate), WAITING: self._waiting}
        self._all.add(self)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.remove(self)
        self._forget_timers()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and self.is_idle:
            self._expect_head()
        super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._all.used(self)
            self._stop_expecting_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.behind_since = self.loop.time()
        self._watch_reader()
        self._all.make_room(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.behind_since = 0.0
        if self._read_timer:
            self._read_timer.cancel()
            self._read_timer = None

    # --- requests that do not arrive --------------------------------------------------------

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._settings.header_seconds, self._head_is_late)

    def _stop_expecting_head(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        self.cut()

    # --- answers that are not read -----------------------------------------------------------

    def _watch_reader(self) -> None:
        self._unread_before = self.unread
        self._read_timer = self.loop.call_later(self._settings.unread_seconds, self._look_at_reader)

    def _look_at_reader(self) -> None:
        self._read_timer = None
        if self._unread_before - self.unread < _LEAST_PROGRESS:
            self.cut()
        else:
            self._watch_reader()

    def _forget_timers(self) -> None:
        self._stop_expecting_head()
        if self._read_timer:
            self._read_timer.cancel()
            self._read_timer = None

    # --- requests that cannot be read ---------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """As a problem, and with the status that says why."""
        del msg
        head = self.conn.trailing_data[0]
        if len(head) >= LARGEST_HEAD:
            problem = Problem(_TOO_LARGE, "The request's head is too large.", headers={"connection": "close"})
        else:
            problem = Problem(_BAD_REQUEST, "This is no HTTP request.", headers={"connection": "close"})
        response = problem.response("")
        if self.conn.our_state is h11.IDLE or self.conn.our_state is h11.SEND_RESPONSE:
            for event in (
                h11.Response(status_code=response.status_code, headers=response.raw_headers),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.transport.close()
