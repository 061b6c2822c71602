"""Answers that are made in pieces.

They tell of one moment, so they are made at once, whenever they are read. What is long waits for its reader compressed:
a scrape of 20,000 series is 6 MB of text, and 0.2 MB then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kindling.api.compress import Gzip, accepts_gzip, unzipped

#: Shorter ones are not worth compressing, for those who read gzip and for those who do not.
_GZIP_FROM_BYTES: Final = 4 << 10
_KEEP_GZIP_FROM_BYTES: Final = 1 << 20

#: Key of the connection's state (ASGI `state`): a `Waiting`.
WAITING: Final = "waiting"


class Waiting:
    """What a connection's answer keeps in memory until it is read."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Pieces:
    """An answer that is being made. `accepted`: the request's Accept-Encoding."""

    def __init__(self, accepted: str) -> None:
        self._takes_gzip = accepts_gzip(accepted)
        self._first: list[bytes] = []
        self._room = _GZIP_FROM_BYTES if self._takes_gzip else _KEEP_GZIP_FROM_BYTES
        self._packed: Gzip | None = None

    def add(self, piece: bytes) -> None:
        if self._packed:
            self._packed.add(piece)
            return
        self._first.append(piece)
        self._room -= len(piece)
        if self._room <= 0:
            self._packed = Gzip()
            for each in self._first:
                self._packed.add(each)
            self._first.clear()

    def response(self, headers: Mapping[str, str]) -> Response:
        """`headers`: those of the content."""
        headers = {"vary": "accept-encoding", **headers}
        if self._packed is None:
            return Response(b"".join(self._first), headers=headers)
        if self._takes_gzip:
            return Response(self._packed.finish(), headers={**headers, "content-encoding": "gzip"})
        return _Unpacking(self._packed, headers)


def response_of(pieces: Iterable[bytes], accepted: str, headers: Mapping[str, str]) -> Response:
    """All pieces are taken now. Else as `Pieces`."""
    made = Pieces(accepted)
    for piece in pieces:
        made.add(piece)
    return made.response(headers)


class _Unpacking(Response):
    """Unpacked step by step, as it is read."""

    def __init__(self, packed: Gzip, headers: Mapping[str, str]) -> None:
        super().__init__(packed.finish(), headers={**headers, "content-length": str(packed.size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        waiting: Waiting = scope.get("state", {}).get(WAITING) or Waiting()
        waiting.bytes = len(self.body)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for step in unzipped(self.body):
                await send({"type": "http.response.body", "body": step, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            waiting.bytes = 0
