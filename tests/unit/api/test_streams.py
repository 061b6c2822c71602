"""Live streams: what a reader is told, and what it costs when it does not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

import pytest
from starlette.types import Message

from asgi import get
from factories import NOON, flow, op, request_event, snapshot
from fixed_agent import FixedView
from kindling.api import create_app, streams
from kindling.api.changes import REMEMBERED
from kindling.config import Server

Event = tuple[str, str, Any]


class Reader:
    """Opens a stream and takes one event after the other, when it likes."""

    def __init__(self, view: FixedView, target: str, headers: dict[str, str], settings: Server) -> None:
        self.view = view
        self.status = 0
        self.headers: dict[str, str] = {}
        self.comments = 0
        self._sent: asyncio.Queue[Message] = asyncio.Queue(1)
        self._gone = asyncio.Event()
        path, _, query = target.partition("?")
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers.items())],
            "client": ("127.0.0.1", 1),
            "state": {},
        }
        self._app = create_app(view, settings)

    async def __aenter__(self) -> Self:
        self.task = asyncio.ensure_future(self._app(self._scope, self._receive, self._sent.put))
        start = await self._sent.get()
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return self

    async def __aexit__(self, *error: object) -> None:
        self.leave()
        while not self.task.done():
            self._drain()
            await asyncio.sleep(0)
        await self.task

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        self._gone.set()

    def _drain(self) -> None:
        while not self._sent.empty():
            self._sent.get_nowait()

    async def event(self) -> Event:
        """The next one; (id, kind, data)."""
        while True:
            body = (await self._sent.get())["body"].decode()
            if body.startswith("id:"):
                fields = dict(line.split(": ", 1) for line in body.strip().split("\n"))
                return fields["id"], fields["event"], json.loads(fields["data"])
            self.comments += body.startswith(":")

    def tick(self, **values: Any) -> None:
        """The tables are read; everything is a second later."""
        shown = self.view.shown
        for name, value in values.items():
            setattr(shown, name, value)
        shown.time += 1
        self.view.ticks.advance()


def follow(
    check: Callable[[Reader], Awaitable[None]],
    target: str = "/api/v1/stream/flows",
    headers: dict[str, str] | None = None,
    settings: Server | None = None,
    **shown: Any,
) -> None:
    async def go() -> None:
        view = FixedView(snapshot(**shown))
        async with Reader(view, target, headers or {}, settings or Server()) as reader:
            await asyncio.wait_for(check(reader), 20)

    asyncio.run(go())


def test_first_everything_then_what_changed() -> None:
    rows = [flow(opened=n, port=n) for n in range(1, 4)]

    async def check(reader: Reader) -> None:
        assert reader.headers["content-type"].startswith("text/event-stream")
        assert "content-length" not in reader.headers
        first, kind, data = await reader.event()
        assert kind == "snapshot"
        assert [row["opened"] for row in data["rows"]] == [1, 2, 3]
        assert data["gone"] == []
        rows[1].opened, rows[1].last_seen = 9, NOON + 1
        reader.tick()
        second, kind, data = await reader.event()
        assert kind == "changes"
        assert [(row["id"], row["opened"]) for row in data["rows"]] == [(str(rows[1].number), 9)]
        assert first != second
        assert data["coverage"]["lost"] == 0

    follow(check, flows=rows)


def test_rows_that_come_and_go() -> None:
    old, new = flow(opened=1), flow(opened=1, last_seen=NOON - 100)

    async def check(reader: Reader) -> None:
        await reader.event()
        reader.tick(flows=[new])
        _, kind, data = await reader.event()
        assert kind == "changes"
        assert [row["id"] for row in data["rows"]] == [str(new.number)]
        assert data["gone"] == [str(old.number)]

    follow(check, flows=[old])


def test_nothing_is_said_while_nothing_changes() -> None:
    row = flow(opened=1)

    async def check(reader: Reader) -> None:
        await reader.event()
        for _ in range(3):
            reader.tick()
            await asyncio.sleep(0)
        row.last_seen = NOON + 4
        reader.tick()
        _, kind, data = await reader.event()
        assert (kind, len(data["rows"])) == ("changes", 1)

    follow(check, flows=[row])


def test_a_slow_reader_gets_several_readings_at_once() -> None:
    rows = [flow(opened=1, port=n) for n in range(5)]

    async def check(reader: Reader) -> None:
        await reader.event()
        for n, row in enumerate(rows):
            row.last_seen = NOON + 1 + n
            reader.tick()
            await asyncio.sleep(0.001)
        seen: list[str] = []
        while len(set(seen)) < 5:
            _, _, data = await reader.event()
            seen += [row["id"] for row in data["rows"]]
        assert reader._sent.qsize() == 0

    follow(check, flows=rows)


def test_a_reader_that_comes_back_gets_what_it_missed() -> None:
    rows = [flow(opened=1), flow(opened=2)]

    async def go() -> None:
        view = FixedView(snapshot(flows=rows))
        app_settings = Server()
        async with Reader(view, "/api/v1/stream/flows", {}, app_settings) as reader:
            last, _, _ = await reader.event()
            rows[0].last_seen = NOON + 1
            reader.tick()
            again = Reader(view, "/api/v1/stream/flows", {"last-event-id": last}, app_settings)
            again._app = reader._app
            async with again:
                _, kind, data = await again.event()
                assert (kind, len(data["rows"])) == ("changes", 1)
            for _ in range(REMEMBERED + 1):
                reader.tick()
                rows[0].last_seen = view.shown.time
                await reader.event()
            late = Reader(view, "/api/v1/stream/flows", {"last-event-id": last}, app_settings)
            late._app = reader._app
            async with late:
                _, kind, data = await late.event()
                assert (kind, len(data["rows"])) == ("snapshot", 2)

    asyncio.run(asyncio.wait_for(go(), 20))


@pytest.mark.parametrize("last", ["", "17", "1-2", "x-y", "1" * 40])
def test_an_id_of_nowhere_gives_everything(last: str) -> None:
    async def check(reader: Reader) -> None:
        assert (await reader.event())[1] == "snapshot"

    follow(check, headers={"last-event-id": last}, flows=[flow(opened=1)])


def test_events_that_were_read_late_are_told() -> None:
    async def check(reader: Reader) -> None:
        await reader.event()
        reader.view.shown.requests.append(request_event(time=NOON - 30))
        reader.tick()
        _, kind, data = await reader.event()
        assert (kind, len(data["rows"])) == ("changes", 1)
        assert data["rows"][0]["request"] == "GET /users/17"

    follow(check, "/api/v1/stream/events", requests=[request_event()])


def test_filters_and_limits() -> None:
    async def check(reader: Reader) -> None:
        _, _, data = await reader.event()
        assert [row["opened"] for row in data["rows"]] == [9, 8]
        assert data["omitted"] == 7

    rows = [flow(opened=n, port=80) for n in range(1, 10)]
    follow(check, "/api/v1/stream/flows?port=80&sort=opened&limit=2", flows=[*rows, flow(opened=99)])


def test_status() -> None:
    async def check(reader: Reader) -> None:
        for _ in range(2):
            _, kind, data = await reader.event()
            assert (kind, data["node"]) == ("status", "node-1")
            reader.tick()

    follow(check, "/api/v1/stream/status")


def test_dns_and_requests_and_external() -> None:
    question = op((1,), protocol="dns", operation="A example.org", content="example.org", status="0")

    async def check(reader: Reader) -> None:
        _, _, data = await reader.event()
        assert data["rows"]

    for table in ("dns", "requests", "external"):
        follow(check, f"/api/v1/stream/{table}", flows=[flow(opened=1)], ops=[question])


def test_a_quiet_stream_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.01)

    async def check(reader: Reader) -> None:
        await reader.event()
        while reader.comments < 2:
            body = (await reader._sent.get())["body"]
            reader.comments += body.startswith(b":")

    follow(check, flows=[flow(opened=1)])


def test_streams_end_with_the_agent_or_after_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(reader: Reader) -> None:
        await reader.event()
        reader.view.ticks.end()
        assert not (await reader._sent.get())["more_body"]

    follow(check)
    monkeypatch.setattr(streams, "LONGEST_SECONDS", 0.0)
    assert "data" not in get(create_app(FixedView(snapshot())), "/api/v1/stream/flows").text


def test_the_number_of_streams_is_bounded() -> None:
    settings = Server(max_streams=2)

    async def go() -> None:
        view = FixedView(snapshot())
        async with Reader(view, "/api/v1/stream/flows", {}, settings) as first:
            second = Reader(view, "/api/v1/stream/dns", {}, settings)
            second._app = first._app
            async with second:
                assert second.status == 503
                assert second.headers["retry-after"]
            second = Reader(view, "/api/v1/stream/dns", {}, settings)
            second._app, second._scope["client"] = first._app, ("192.0.2.1", 1)
            async with second:
                assert second.status == 200
                third = Reader(view, "/api/v1/stream/dns", {}, settings)
                third._app, third._scope["client"] = first._app, ("192.0.2.2", 1)
                async with third:
                    assert third.status == 503
            async with second.__class__(view, "/api/v1/stream/dns", {}, settings) as free:
                assert free.status == 200

    asyncio.run(asyncio.wait_for(go(), 20))


def test_head_is_answered_at_once() -> None:
    answer = get(create_app(FixedView(snapshot())), "/api/v1/stream/flows", method="HEAD")
    assert answer.status == 200
    assert answer.body == b""
