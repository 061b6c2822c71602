"""From nothing to a serving agent, and back."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from kindling.agent.addresses import own_addresses
from kindling.agent.listen import open_listener, url_of
from kindling.agent.lock import data_directory
from kindling.agent.watch import Watch
from kindling.config import Settings

if TYPE_CHECKING:
    from kindling.capture.source import Source

Say = Callable[[str], None]
OpenSource = Callable[[Settings, Say], contextlib.AbstractContextManager["Source"]]
Ready = Callable[[str], contextlib.AbstractContextManager[None]]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def nothing_more(url: str) -> Iterator[None]:
    """What an agent does besides serving, when nobody wants to look on."""
    del url
    yield


def run_agent(
    settings: Settings, *, say: Say, open_source: OpenSource | None = None, ready: Ready = nothing_more
) -> None:
    """Run until SIGINT or SIGTERM. `say` is told of each step; `ready` is entered with the agent's address
    while it serves.

    Raises KindlingError: no privilege, a kernel that cannot, a port or directory in use.
    """
    with ExitStack() as stack:
        stack.enter_context(data_directory(settings.data))
        listener = stack.enter_context(open_listener(settings.host, settings.port))
        source = stack.enter_context((open_source or _live)(settings, say))
        watch = _watch(source, settings)
        watch.tick()
        asyncio.run(_serve(watch, listener, say, ready))


def _watch(source: Source, settings: Settings) -> Watch:
    from kindling.identity import Identifier
    from kindling.table import Collector

    return Watch(Collector(source, settings, Identifier()), settings, own_addresses=own_addresses)


@contextmanager
def _live(settings: Settings, say: Say) -> Iterator[Source]:
    from kindling.capture.live import LiveSource

    source = LiveSource(settings)
    try:
        say(f"probe loaded, {source.attached} programs attached")
        yield source
    finally:
        source.close()


async def _serve(watch: Watch, listener: socket.socket, say: Say, ready: Ready) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    # imported last: the probe counts already
    from kindling.agent.server import HttpServer
    from kindling.api import create_app

    server = HttpServer(create_app(watch), listener)
    serving = asyncio.ensure_future(server.run())
    ticking = asyncio.ensure_future(watch.run(stop))
    _settle_memory()
    url = url_of(listener)
    say(f"page and metrics on {url} and {url}/metrics")
    with ready(url):
        await asyncio.wait((serving, ticking), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    server.stop()
    results = await asyncio.gather(serving, ticking, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _settle_memory() -> None:
    """What was imported stays: the collector of cycles need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
