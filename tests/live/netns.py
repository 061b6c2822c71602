"""Network namespaces joined by a pair of interfaces: a little network of our own, with every port free."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_SERIAL = itertools.count()
_PATIENCE = 10.0

Process = subprocess.Popen[str]


@dataclass
class Namespace:
    """A network namespace, the sockets made in it and the processes started in it."""

    name: str
    processes: list[Process] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/run/netns/{self.name}"

    def ip(self, *lines: str) -> None:
        """Commands for `ip`, all in one process."""
        _run(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines))

    def run(self, *command: str, timeout: float = 60, check: bool = True) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run([*self._enter(), *command], capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode:
            pytest.fail(f"{command[0]} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def start(self, *command: str, **options: Any) -> Process:
        """Start a command; it is ended with the namespace."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process: Process = subprocess.Popen([*self._enter(), *command], text=True, **{**quiet, **options})
        self.processes.append(process)
        return process

    def set(self, **values: object) -> None:
        """Set sysctls below net/; two underscores stand for a slash."""
        for name, value in values.items():
            with self.entered():
                Path("/proc/sys/net", name.replace("__", "/")).write_text(f"{value}\n", encoding="ascii")

    def nft(self, rules: str) -> None:
        self.feed(rules, "nft", "-f", "-")

    def feed(self, given: str, *command: str) -> None:
        """Run a command that reads `given`."""
        _run([*self._enter(), *command], given)

    def counter(self, name: str) -> int:
        """A counter of the kernel in this namespace, by its name in nstat."""
        for line in self.run("nstat", "-asz", name).splitlines():
            if line.split()[:1] == [name]:
                return int(line.split()[1])
        raise KeyError(name)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in the namespace: sockets made now belong there, wherever they are used."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            after = os.open(self.path, os.O_RDONLY)
            try:
                _setns(after)
            finally:
                os.close(after)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        with self.entered():
            made = socket.socket(family, kind)
        made.settimeout(_PATIENCE)
        return made

    def wait_open(self, port: int, kind: str = "tcp") -> None:
        """Wait for somebody who listens, without connecting: that would be counted."""
        wanted, state = f":{port:04X} ", " 0A " if kind == "tcp" else " 07 "
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with self.entered():
                tables = [Path(f"/proc/thread-self/net/{kind}{six}").read_text(encoding="ascii") for six in ("", "6")]
            if any(wanted in line and state in line for table in tables for line in table.splitlines()):
                return
            time.sleep(0.01)
        pytest.fail(f"nothing listens on port {port} of {self.name}")

    def end(self) -> None:
        end_all(self.processes)
        with suppress(subprocess.CalledProcessError):
            _run(["ip", "netns", "del", self.name], "")

    def _enter(self) -> Sequence[str]:
        return ("nsenter", f"--net={self.path}")


@dataclass
class Link:
    """Two namespaces and the addresses by which each reaches the other."""

    client: Namespace
    server: Namespace
    client4: str
    server4: str
    client6: str
    server6: str

    def ends(self, family: str) -> tuple[str, str]:
        """Addresses of client and server."""
        return (self.client6, self.server6) if family == "v6" else (self.client4, self.server4)

    def listen(self, port: int, family: str = "v4", **options: Any) -> socket.socket:
        """A listening socket of this process: `v4`, `v6`, or `mapped`, an IPv6 socket that takes IPv4."""
        kind = socket.AF_INET if family == "v4" else socket.AF_INET6
        address = "::" if family == "mapped" else self.ends(family)[1]
        with self.server.entered():
            listener = socket.create_server(
                (address, port), family=kind, backlog=1024, dualstack_ipv6=family == "mapped", **options
            )
        listener.settimeout(_PATIENCE)
        return listener

    def connect(self, port: int, family: str = "v4") -> socket.socket:
        six = family != "v4"
        client = self.client.socket(socket.AF_INET6 if six else socket.AF_INET)
        address = self.ends(family)[1]
        try:
            client.connect((f"::ffff:{address}" if family == "mapped" else address, port))
        except OSError:
            client.close()
            raise
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    @contextmanager
    def connection(self, port: int, family: str = "v4") -> Iterator[tuple[socket.socket, socket.socket]]:
        """Both ends of one connection, in this process."""
        with self.listen(port, family) as listener, self.connect(port, family) as client:
            server, _ = listener.accept()
            with server:
                server.settimeout(_PATIENCE)
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                yield client, server


def end_all(processes: Sequence[Process]) -> None:
    """Asked to, then told to."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


@contextmanager
def namespace(label: str) -> Iterator[Namespace]:
    made = Namespace(f"kd-{os.getpid()}-{next(_SERIAL)}-{label}")
    _run(["ip", "netns", "add", made.name], "")
    try:
        made.ip("link set lo up")
        yield made
    finally:
        made.end()


@contextmanager
def link() -> Iterator[Link]:
    """Two namespaces that nobody used before, joined by veth; the client's way to all else is the server."""
    net = f"{16 + os.getpid() % 200}.{next(_SERIAL) % 250}"
    with namespace("client") as client, namespace("server") as server:
        made = Link(
            client,
            server,
            f"10.{net}.1",
            f"10.{net}.2",
            f"fd00:{net.replace('.', ':')}::1",
            f"fd00:{net.replace('.', ':')}::2",
        )
        client.ip(f"link add eth0 type veth peer name eth0 netns {server.name}")
        for ns, four, six in ((client, made.client4, made.client6), (server, made.server4, made.server6)):
            ns.ip(
                f"addr add {four}/24 dev eth0",
                f"addr add {six}/64 dev eth0 nodad",
                "link set eth0 up",
            )
        client.ip(f"route add default via {made.server4}", f"route add default via {made.server6}")
        yield made


def _setns(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(command: Sequence[str], given: str) -> None:
    subprocess.run(command, input=given, text=True, check=True, timeout=30)
