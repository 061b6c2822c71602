"""A real agent, started as users start it, and helpers for traffic it can see."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from kindling.cli.client import fetch

KINDLING = [sys.executable, "-m", "kindling.cli"]
START_SECONDS = 60
SETTLE_SECONDS = 15


@dataclass
class Agent:
    """A running agent."""

    process: subprocess.Popen[str]
    url: str
    data: Path

    def rows(self, table: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = fetch(self.url, f"/api/v1/{table}")["rows"]
        return rows

    def wait_for(self, table: str, wanted: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Rows of a table, as soon as they are as wanted; after a while, whatever they are."""
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            rows = self.rows(table)
            if wanted(rows) or time.monotonic() > end:
                return rows
            time.sleep(0.1)


def own_places(data: Path) -> dict[str, str]:
    """Settings of an agent that shall meet no other one."""
    name = blake2b(os.fsencode(data), digest_size=6).hexdigest()
    return {
        "KINDLING_PERSISTENCE_PINS": f"/sys/fs/bpf/kindling-{name}",
        "KINDLING_PERSISTENCE_STATE": f"/run/kindling-test/{name}",
    }


@contextmanager
def start_agent(data: Path, *options: str, within: Sequence[str] = ()) -> Iterator[Agent]:
    """Start an agent on a port of the kernel's choice; end it by SIGTERM.

    Its pins and its journal belong to the data directory: several agents run beside each other. `within`: words that
    stand before the command, of a program that becomes the agent.
    """
    command = [*within, *KINDLING, "agent", "--listen", "127.0.0.1:0", "--data", str(data), "--quiet", *options]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **own_places(data)}
    ) as process:
        assert process.stderr
        said = []
        url = ""
        for line in process.stderr:
            said.append(line)
            if "http://" in line:
                url = line[line.index("http://") :].split()[0]
                break
        if not url:
            code = process.wait(START_SECONDS)
            # what it attached would go on for ever, for nobody
            shutil.rmtree(own_places(data)["KINDLING_PERSISTENCE_PINS"], ignore_errors=True)
            pytest.fail(f"the agent ended with {code}:\n{''.join(said)}")
        try:
            yield Agent(process, url, data)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(START_SECONDS)
            with suppress(OSError):  # not empty: it was killed, and another one will go on
                Path(own_places(data)["KINDLING_PERSISTENCE_PINS"]).rmdir()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    pytest.importorskip("kindling.capture.live", reason="the probe is not there yet")
    with start_agent(tmp_path_factory.mktemp("agent"), "--interval", "0.2") as running:
        yield running


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    with socket.socket(family) as probe:
        probe.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def web_server(folder: Path, address: str = "127.0.0.1") -> Iterator[int]:
    """Python's own web server, with keep-alive; gives its port."""
    port = free_port(socket.AF_INET6 if ":" in address else socket.AF_INET)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", address, "--protocol", "HTTP/1.1"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_until_open(address, port)
            yield port
        finally:
            server.terminate()


def _wait_until_open(address: str, port: int) -> None:
    """Wait for the listening socket without connecting: that would be counted."""
    wanted = f":{port:04X} "
    path = Path("/proc/net/tcp6" if ":" in address else "/proc/net/tcp")
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        if any(wanted in line and " 0A " in line for line in path.read_text(encoding="ascii").splitlines()):
            return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on {address} port {port}")
