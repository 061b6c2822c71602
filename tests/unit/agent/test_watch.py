"""The agent's clock and lock, without a probe."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from factories import flow, request_event, snapshot
from kindling.agent import run
from kindling.agent.listen import open_listener, url_of
from kindling.agent.live import Say
from kindling.agent.lock import data_directory
from kindling.agent.watch import Watch
from kindling.cli.client import fetch
from kindling.config import Kubernetes, Settings
from kindling.errors import AlreadyRunningError, PrivilegeError, SettingError, UnreachableError
from kindling.identity import Scopes


class FakeTables:
    """Counts its ticks."""

    def __init__(self, **values: Any) -> None:
        self.ticks = 0
        self.third = asyncio.Event()
        self.scopes = Scopes()
        self.shown = snapshot(**values)

    def tick(self) -> None:
        self.ticks += 1
        if self.ticks == 3:
            self.third.set()

    def snapshot(self) -> Any:
        return self.shown

    def reconfigure(self, names: Any) -> None:
        self.names = names

    def select(self, kubernetes: Any) -> None:
        del kubernetes


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("named", "shown"), [("worker-1", "worker-1"), ("", socket.gethostname())])
def test_the_node_is_the_one_that_the_settings_name(named: str, shown: str) -> None:
    watch = Watch(FakeTables(), Settings(kubernetes=Kubernetes(node=named)))
    assert watch.status()["node"] == shown


def test_ticks_until_told_to_stop_and_then_once_more() -> None:
    tables = FakeTables()

    async def go() -> None:
        stop = asyncio.Event()
        watch = Watch(tables, Settings(interval=0.01))
        running = asyncio.ensure_future(watch.run(stop))
        await tables.third.wait()
        before = tables.ticks
        stop.set()
        await running
        assert tables.ticks == before + 1

    asyncio.run(go())


def test_health_is_about_the_last_tick() -> None:
    clock = Clock()
    watch = Watch(FakeTables(), Settings(), clock=clock)
    watch.tick()
    assert watch.healthy()
    clock.now += 60
    assert not watch.healthy()
    watch.tick()
    assert watch.healthy()


def test_traces_are_kept_from_tick_to_tick() -> None:
    tables = FakeTables()
    watch = Watch(tables, Settings())
    tables.shown.requests.append(request_event())
    watch.tick()
    tables.shown.requests.clear()
    watch.tick()
    assert len(watch.exporter.trace) == 1


def test_status() -> None:
    watch = Watch(FakeTables(flows=[flow()], stats={"ticks": 3}), Settings())
    status = watch.status()
    assert status["flows"] == 1
    assert status["pid"] == os.getpid()
    assert status["resident_bytes"] > 1_000_000
    assert status["stats"] == {"ticks": 3}


def test_one_agent_per_directory(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dir"
    with (
        data_directory(path),
        pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
        data_directory(path),
    ):
        pass
    with data_directory(path):
        pass


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="--data"), data_directory(tmp_path / "file"):
        pass


def test_a_port_in_use() -> None:
    with open_listener("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert url_of(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(SettingError, match="in use"):
            open_listener("127.0.0.1", port)


def test_ipv6() -> None:
    with open_listener("::1", 0) as listener:
        assert url_of(listener).startswith("http://[::1]:")


def test_addresses_of_others_and_names_of_none() -> None:
    with pytest.raises(SettingError, match="no such address"):
        open_listener("192.0.2.77", 0)
    with pytest.raises(SettingError, match="Cannot listen"):
        open_listener("no-such-host.invalid", 0)


def test_a_port_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PrivilegeError):
        open_listener("127.0.0.1", 80)


def _serve(listen: str, data: str) -> None:
    """Run in a process of its own: an agent over fixed tables."""

    @contextmanager
    def tables(settings: Settings, say: Say) -> Iterator[FakeTables]:
        del settings
        say("tables open")
        yield FakeTables(flows=[flow(opened=3)])
        say("tables closed")

    run.run_agent(
        Settings(listen=listen, data=Path(data), interval=0.05),
        say=lambda line: print(line, flush=True),
        open_tables=tables,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_serves_and_ends_cleanly(number: signal.Signals, host: str, tmp_path: Path) -> None:
    program = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('watch_test', {__file__!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        f"module._serve({host + ':0'!r}, {str(tmp_path)!r})\n"
    )
    path = os.pathsep.join(part for part in sys.path if part)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as agent:
        assert agent.stdout
        assert agent.stdout.readline() == "tables open\n"
        url = agent.stdout.readline().split()[4]
        assert fetch(url, "/api/v1/flows")["rows"][0]["opened"] == 3
        status = fetch(url, "/api/v1/status")
        assert status["pid"] == agent.pid
        assert status["stats"]["http.connections"] >= 1
        agent.send_signal(number)
        assert agent.stdout.read() == "tables closed\n"
        assert agent.wait(10) == 0
    with pytest.raises(UnreachableError):
        fetch(url, "/api/v1/flows")


def test_without_privilege_the_directory_is_not_the_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PrivilegeError, match="permission denied"), data_directory(tmp_path):
        pass
