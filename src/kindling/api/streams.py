"""/api/v1/stream/...: what changed at each reading, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html

    id: 1709640000000-17           of the reading
    event: snapshot | changes
    data: {"table": ..., "rows": [...], "gone": [...]}

Nothing waits for a reader: one that is slow gets the changes of several readings at once.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from kindling.api.answers import (
    DnsItem,
    EventItem,
    ExternalLiveItem,
    FlowItem,
    RequestItem,
    StatusRecord,
    any_of,
    encode,
)
from kindling.api.changes import Changes
from kindling.api.operations import EVENTS as EVENT_STREAM
from kindling.api.operations import Operation
from kindling.api.parameters import Parameter, filter_of, filters, sorting, whole
from kindling.api.peers import peer_of
from kindling.api.problems import Problem
from kindling.api.tables import item
from kindling.api.view import View
from kindling.export.coverage import coverage
from kindling.export.filters import Filter
from kindling.export.order import Order, Row
from kindling.export.record_types import CoverageRecord
from kindling.export.table import Table, chosen
from kindling.export.tables import DNS, EVENTS, EXTERNAL, FLOWS, REQUESTS

#: A comment shows that the agent is still there, to the reader and to what stands between.
HEARTBEAT_SECONDS: Final = 15.0
#: Then a reader has to come again, and show its token again.
LONGEST_SECONDS: Final = 3_600.0
DEFAULT_ROWS: Final = 1_000
MOST_ROWS: Final = 10_000
#: After which a reader that lost its connection comes again.
_RETRY_MILLISECONDS: Final = 2_000
_LAST_EVENT_ID: Final = re.compile(r"\d{1,16}-\d{1,16}", re.ASCII)

_LINE_BREAKS: Final = [(char.encode(), f"\\u{ord(char):04x}".encode()) for char in "\x85\u2028\u2029"]
_TABLES: Final = (FLOWS, REQUESTS, DNS, EXTERNAL, EVENTS)


#: Named by the events only.
PARTS: Final = (FlowItem, RequestItem, DnsItem, ExternalLiveItem, EventItem)
_Item = Annotated[Any, any_of(*PARTS)]


class StreamRecord(TypedDict):
    """The data of an event. `gone`: ids of rows that are no more; `omitted`: rows beyond the limit."""

    table: str
    time: float
    omitted: int
    coverage: CoverageRecord
    rows: list[_Item]
    gone: list[str]


class Streams:
    """How many there are, in all and of a peer; and the changes they share."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of_peer: Counter[str] = Counter()
        self._changes: dict[str, Changes] = {}
        self._followers: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._of_peer.total()

    @contextmanager
    def open(self, table: str, peer: str) -> Iterator[None]:
        """Raises Problem."""
        self.check(peer)
        self._of_peer[peer] += 1
        self._followers[table] += 1
        try:
            yield
        finally:
            self._followers[table] -= 1
            if not self._followers[table]:
                self._changes.pop(table, None)
            self._of_peer[peer] -= 1
            self._of_peer += Counter()  # forgets those at zero

    def check(self, peer: str) -> None:
        """Raises Problem. One peer may have half of all, for others need some too."""
        if len(self) >= self._most or self._of_peer[peer] >= max(1, self._most // 2):
            raise Problem(
                503,
                f"Too many live streams are open: {len(self)}.",
                hint="Close one, or raise server.max_streams.",
                headers={"retry-after": "10"},
            )

    def changes(self, table: Table) -> Changes:
        found = self._changes.get(table.name)
        if found is None:
            found = self._changes[table.name] = Changes(table)
        return found


def operations(view: View, streams: Streams) -> list[Operation]:
    parts = [_operation(view, streams, table) for table in _TABLES]
    return [*parts, _status_operation(view, streams)]


def _operation(view: View, streams: Streams, table: Table) -> Operation:
    def call(request: Request, given: Mapping[str, Any]) -> Response:
        teller = _TableTeller(view, streams, table, filter_of(given), table.order(given["sort"]), given["limit"])
        return _open(view, streams, table.name, teller.tell, request)

    return _stream(table.name, call, _parameters(table))


def _parameters(table: Table) -> tuple[Parameter, ...]:
    return (
        *filters(name for name in table.filters if name not in {"since", "until"}),
        sorting(table.sortable, table.sort),
        whole("limit", "Rows of an event; the first ones by `sort`.", largest=MOST_ROWS, default=DEFAULT_ROWS),
    )


def _status_operation(view: View, streams: Streams) -> Operation:
    def tell(last: str, now: str) -> tuple[str, Any]:
        del last, now
        return "status", {**view.status(), "coverage": coverage(view.snapshot())}

    def call(request: Request, given: Mapping[str, Any]) -> Response:
        del given
        return _open(view, streams, "status", tell, request)

    return _stream("status", call, (), StatusRecord)


def _stream(
    name: str,
    call: Callable[[Request, Mapping[str, Any]], Response],
    parameters: tuple[Parameter, ...],
    answer: Any = StreamRecord,
) -> Operation:
    return Operation(
        path=f"/api/v1/stream/{name}",
        name=f"stream-{name}",
        summary=f"Live: {name}, again whenever the tables were read",
        call=call,
        answer=answer,
        parameters=parameters,
        media_type=EVENT_STREAM,
    )


def _open(view: View, streams: Streams, name: str, tell: Tell, request: Request) -> Response:
    peer = peer_of(request.scope)
    last = request.headers.get("last-event-id", "")
    return EventStream(view, streams, name, peer, tell, last if _LAST_EVENT_ID.fullmatch(last) else "")


Tell = Callable[[str, str], tuple[str, Any] | None]
"""(id of the reading that was told, or ""; id of this one) -> kind and data of an event, or None: nothing to tell."""


class _TableTeller:
    """What a reader has to be told of a table."""

    def __init__(self, view: View, streams: Streams, table: Table, wanted: Filter, order: Order, limit: int) -> None:
        self._view = view
        self._streams = streams
        self._table = table
        self._wanted = wanted
        self._order = order
        self._limit = limit

    def tell(self, last: str, now: str) -> tuple[str, Any] | None:
        snapshot = self._view.snapshot()
        changes = self._streams.changes(self._table)
        changes.read(now, snapshot.time, lambda: self._table.rows(snapshot, self._view.horizon))
        since = changes.since(last) if last else None
        rows = chosen(self._table, since.rows if since else changes.rows, self._view.horizon, self._wanted)
        if since and not rows and not since.went:
            return None
        shown = self._order.sorted(rows)[: self._limit or MOST_ROWS]
        data = {
            "table": self._table.name,
            "time": snapshot.time,
            "omitted": len(rows) - len(shown),
            "coverage": coverage(snapshot),
            "rows": [self._item(row) for row in shown],
            "gone": [str(number) for number in sorted(since.went)] if since else [],
        }
        return ("changes" if since else "snapshot"), data

    def _item(self, row: Row) -> dict[str, Any]:
        return item(self._table, row)


class EventStream(Response):
    """Sends until the reader goes, the agent ends, or the time is over."""

    def __init__(self, view: View, streams: Streams, name: str, peer: str, tell: Tell, last: str) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"content-type": f"{EVENT_STREAM}; charset=utf-8", "cache-control": "no-store"})
        self._view = view
        self._streams = streams
        self._name = name
        self._peer = peer
        self._tell = tell
        self._last = last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
        else:
            with self._streams.open(self._name, self._peer):
                await send(start)
                left = asyncio.ensure_future(_left(receive))
                try:
                    await self._follow(send, left)
                finally:
                    left.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _follow(self, send: Send, left: asyncio.Future[None]) -> None:
        ticks = self._view.ticks
        ends = sent = time.monotonic()
        ends += LONGEST_SECONDS
        await _send(send, f"retry: {_RETRY_MILLISECONDS}\n\n".encode())
        while not (left.done() or ticks.ended) and time.monotonic() < ends:
            number = ticks.number
            now = f"{int(self._view.snapshot().time * 1000)}-{number}"
            told = self._tell(self._last, now)
            self._last = now
            if told:
                await _send(send, _event(now, *told))
                sent = time.monotonic()
            elif time.monotonic() - sent >= HEARTBEAT_SECONDS:
                await _send(send, b": still here\n\n")
                sent = time.monotonic()
            if ticks.number == number:  # else the tables were read again while the reader took its time
                await _either(left, ticks.next(), HEARTBEAT_SECONDS)


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(identity: str, kind: str, data: Any) -> bytes:
    # JSON escapes line breaks in strings; these three are none here, but some readers take them for some
    text = encode(data)
    for found, escape in _LINE_BREAKS:
        text = text.replace(found, escape)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (identity.encode(), kind.encode(), text)


async def _left(receive: Receive) -> None:
    """Until the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _either(left: asyncio.Future[None], other: Any, seconds: float) -> None:
    """Until one is done, or the time is over."""
    task = asyncio.ensure_future(other)
    try:
        await asyncio.wait((left, task), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()
