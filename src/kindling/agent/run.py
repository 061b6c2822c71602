"""From nothing to a serving agent, and back."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

from kindling.agent import memory
from kindling.agent.listen import check_callers, is_loopback, open_listener, url_of
from kindling.agent.live import Say
from kindling.agent.lock import data_directory
from kindling.agent.observers import observers_of
from kindling.agent.reload import Load, Reloader
from kindling.agent.watch import Tables, Watch
from kindling.config import NO_FILE, Server, Settings

OpenTables = Callable[[Settings, Say], AbstractContextManager[Tables]]
Ready = Callable[[str], AbstractContextManager[None]]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def nothing_more(url: str) -> Iterator[None]:
    """What an agent does besides serving, when nobody wants to look on."""
    del url
    yield


def run_agent(
    settings: Settings, *, say: Say, open_tables: OpenTables, ready: Ready = nothing_more, load: Load | None = None
) -> None:
    """Run until SIGINT or SIGTERM. `say` is told of each step; `ready` is entered with the agent's address
    while it serves; `load` reads the settings again when SIGHUP comes.

    Raises KindlingError: no privilege, a kernel that cannot, a port or directory in use.
    """
    with ExitStack() as stack:
        stack.enter_context(data_directory(settings.data))
        listener = stack.enter_context(open_listener(settings.host, settings.port))
        check_callers(listener, settings.server)
        tables = stack.enter_context(open_tables(settings, say))
        observers = stack.enter_context(observers_of(settings, say))
        watch = Watch(
            tables,
            settings,
            observers=observers.calls,
            inventory=observers.inventory,
            stats=observers.stats,
        )
        parts = observers.parts | {
            "metrics": lambda changed: watch.exporter.reconfigure(changed.metrics),
            "names": lambda changed: tables.reconfigure(changed.names),
            "kubernetes": lambda changed: tables.select(changed.kubernetes),
        }
        reloader = Reloader(settings, load or (lambda: settings), parts, say)
        watch.tick()
        asyncio.run(_serve(watch, listener, settings.server, say, ready, reloader, observers.stats))


async def _serve(
    watch: Watch,
    listener: socket.socket,
    settings: Server,
    say: Say,
    ready: Ready,
    reloader: Reloader,
    stats: list[Callable[[], Mapping[str, float]]],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reloader.reload)
    # imported last: the probe counts already
    from kindling.agent.server import HttpServer
    from kindling.api import create_app

    app = create_app(watch, settings, loopback=is_loopback(listener))
    server = HttpServer(app, listener, settings)
    stats += (app.stats, server.stats)
    serving = asyncio.ensure_future(server.run())
    ticking = asyncio.ensure_future(watch.run(stop))
    memory.settle()
    url = url_of(listener, tls=settings.tls_cert != NO_FILE)
    say(f"page and metrics on {url} and {url}/metrics")
    with ready(url):
        await asyncio.wait((serving, ticking), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    server.stop()
    results = await asyncio.gather(serving, ticking, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
