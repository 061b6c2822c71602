"""Servers under load, each in a directory of its own and pinned to one processor; ended by their process."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

CPU = "1"
"""Client and server share a processor, so that what both ends cost shows in the throughput."""
PIN = ["nice", "-n", "-19", "taskset", "-c", CPU]
"""And before whatever else wants to run there."""

_NGINX = """
daemon off; worker_processes 1; error_log /dev/null; pid {home}/pid;
events {{ worker_connections 512; }}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000;
        location / {{ root {home}; try_files /index.html =404; }} }} }}
"""
_HELLO = "<!DOCTYPE html><title>Hello</title><p>" + "Hello, world. " * 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a server until the block is left; the block begins when the port answers."""
    server = subprocess.Popen([*PIN, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        yield
    finally:
        server.terminate()
        server.wait(10)


def wait_for(port: int, server: subprocess.Popen[bytes], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        if server.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"{server.args!r} did not start")


@contextlib.contextmanager
def nginx(home: Path) -> Iterator[int]:
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    (home / "index.html").write_text(_HELLO)
    config = home / "nginx.conf"
    config.write_text(_NGINX.format(home=home, port=port))
    with running(["nginx", "-c", str(config)], port):
        yield port


@contextlib.contextmanager
def redis(home: Path) -> Iterator[int]:
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    with running(["redis-server", "--port", str(port), "--save", "", "--dir", str(home)], port):
        yield port


@contextlib.contextmanager
def iperf(_home: Path) -> Iterator[int]:
    port = free_port()
    with running(["iperf3", "-s", "-p", str(port)], port):
        yield port


def output(command: list[str]) -> str:
    return subprocess.run([*PIN, *command], capture_output=True, text=True, check=True).stdout


def keepalive_requests(port: int, seconds: int) -> float:
    """Return requests per second over 16 connections that stay open."""
    text = output(["wrk", "-t1", "-c16", f"-d{seconds}s", f"http://127.0.0.1:{port}/"])
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]


def redis_gets(port: int, count: int) -> float:
    text = output(["redis-benchmark", "-p", str(port), "-t", "get", "-n", str(count), "-c", "20", "-q"])
    return float(re.findall(r"([\d.]+) requests per second", text)[-1])


def short_connections(port: int, count: int) -> float:
    text = output(["ab", "-q", "-n", str(count), "-c", "8", f"http://127.0.0.1:{port}/"])
    return float(re.search(r"Requests per second:\s+([\d.]+)", text)[1])  # type: ignore[index]


def bulk(port: int, seconds: int) -> None:
    output(["iperf3", "-c", "127.0.0.1", "-p", str(port), "-t", str(seconds)])


def missing() -> list[str]:
    return [
        name for name in ("nginx", "redis-server", "redis-benchmark", "iperf3", "wrk", "ab") if not shutil.which(name)
    ]
