"""Scrapers that hang, dawdle or go away: the agent goes on counting, and others get their answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine

from factories import flow, op, snapshot
from kindling.agent.server import HttpServer
from kindling.agent.watch import Watch
from kindling.api import create_app
from kindling.config import Metrics, Settings
from kindling.identity import Scopes
from kindling.model import Snapshot

HANGING = 20
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Tables:
    """Rows for an answer of several megabytes: more than sockets hold."""

    scopes = Scopes()

    def __init__(self) -> None:
        self.ticks = 0
        self.ticked = asyncio.Event()
        self.shown = snapshot(
            flows=[
                flow(remote_ip=f"93.1.{i >> 8}.{i & 255}", name=f"h{i}.example.org", opened=1) for i in range(1_500)
            ],
            ops=[op((1,), content=f"/{i}") for i in range(400)],
        )

    def tick(self) -> None:
        self.ticks += 1
        self.ticked.set()

    def reconfigure(self, names: object) -> None:
        """Nothing to change."""

    def select(self, kubernetes: object) -> None:
        del kubernetes

    def snapshot(self) -> Snapshot:
        return self.shown


Scene = Callable[[Tables, int], Coroutine[None, None, None]]


def with_agent(scene: Scene) -> None:
    """Run the scene beside an agent's clock and server, all in one loop as in an agent."""

    async def go() -> None:
        tables = Tables()
        settings = Settings(interval=0.01, metrics=Metrics(series=30_000))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            watch = Watch(tables, settings)
            server = HttpServer(create_app(watch), listener)
            stop = asyncio.Event()
            running = [asyncio.ensure_future(server.run()), asyncio.ensure_future(watch.run(stop))]
            try:
                await scene(tables, listener.getsockname()[1])
            finally:
                stop.set()
                server.stop()
                await asyncio.gather(*running)

    asyncio.run(go())


async def _ticked(tables: Tables, times: int) -> None:
    async with asyncio.timeout(20):
        for _ in range(times):
            tables.ticked.clear()
            await tables.ticked.wait()


async def _ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=4_096)
    writer.write(REQUEST)
    await writer.drain()
    return reader, writer


def test_scrapers_that_hang_stop_neither_the_clock_nor_others() -> None:
    async def scene(tables: Tables, port: int) -> None:
        hanging = [await _ask(port) for _ in range(HANGING)]
        await _ticked(tables, 20)
        reader, writer = await _ask(port)
        async with asyncio.timeout(20):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"\nprocess_start_time_seconds " in answer
        assert len(answer) > 2_000_000
        for _, each in (*hanging, (reader, writer)):
            each.transport.abort()
        await _ticked(tables, 5)

    with_agent(scene)


def test_a_slow_scraper_gets_one_moment_whole() -> None:
    async def scene(tables: Tables, port: int) -> None:
        reader, writer = await _ask(port)
        before = tables.ticks
        pieces = [await reader.read(65_536)]
        await _ticked(tables, 10)
        for row in tables.shown.flows:
            row.opened = 2
        async with asyncio.timeout(20):
            while piece := await reader.read(65_536):
                pieces.append(piece)
        answer = b"".join(pieces)
        assert tables.ticks > before
        assert answer.rstrip().splitlines()[-1].startswith(b"process_start_time_seconds ")
        counts = {
            line.rpartition(b" ")[2] for line in answer.splitlines() if line.startswith(b"kindling_external_conn")
        }
        assert counts == {b"1"}
        writer.transport.abort()

    with_agent(scene)


def test_a_scraper_that_goes_away_halfway() -> None:
    async def scene(tables: Tables, port: int) -> None:
        for _ in range(10):
            reader, writer = await _ask(port)
            await reader.read(1_000)
            writer.transport.abort()
        await _ticked(tables, 10)

    with_agent(scene)
