"""Tables that are full, and an agent that is killed: nothing is lost silently, and traffic flows on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kindling.capture.bpf import cgroup, syscall
from kindling.capture.live import LiveSource
from live import servers
from live.netns import Link
from live.probe import Probe, attach

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 8080
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def alone(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> Iterator[Probe]:
    """A probe that sees this process only, and whose maps have few entries."""
    root = cgroup.open_root()
    name = f"kindling-test-{os.getpid()}"
    ours = Path(f"/proc/self/fd/{root}")
    before = Path("/proc/self/cgroup").read_text(encoding="ascii")
    home = next(line.split("::", 1)[1] for line in before.splitlines() if line.startswith("0::"))
    (ours / name).mkdir()
    try:
        (ours / name / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        with monkeypatch.context() as patch:
            patch.setattr(cgroup, "open_root", lambda: os.open(ours / name, os.O_RDONLY | os.O_DIRECTORY))
            source = attach(bounds=bounds)
        with source:
            source.adopt({})
            yield Probe(source)
    finally:
        (ours / home.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        _remove(ours / name)
        os.close(root)


def _remove(folder: Path) -> None:
    for _ in range(100):
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return


def table(name: str, entries: int) -> dict[str, int]:
    return {f"{name}_{part}": entries for part in ("ids", "slots", "free")}


def talk(net: Link, connections: int, requests: int, path: bytes = b"/x") -> None:
    """Each connection to a port of its own."""
    for port in range(PORT, PORT + connections):
        with net.connection(port) as (client, server):
            for number in range(requests):
                client.sendall(b"GET %b%s HTTP/1.1\r\nHost: full.test\r\n\r\n" % (path, _letters(number)))
                server.recv(1000)
                server.sendall(OK)
                client.recv(1000)


def _letters(number: int) -> bytes:
    return bytes(ord("a") + int(digit) for digit in str(number))


def test_no_free_flow(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    with alone(monkeypatch, **table("flow", 16)) as probe:
        talk(net, 30, 5)
        probe.shows_sums({"opened": 60, "closed": 60, "active": 0})
        assert sum(probe.requests().values()) == 300
        assert len(probe.flows()) <= 16
        assert probe.tick().lost["flow_full"] > 0
        request = len(b"GET /xa HTTP/1.1\r\nHost: full.test\r\n\r\n")
        assert probe.sums("bytes_out")["bytes_out"] == 150 * (request + len(OK))


def test_no_free_operation(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    with alone(monkeypatch, **table("op", 16)) as probe:
        talk(net, 1, 50)
        probe.shows(lambda: sum(probe.requests().values()), 100)
        assert len(probe.ops()) <= 16
        assert probe.requests()["other", ""] == 100 - 15 or probe.tick().lost["op_full"] == 100 - 15


def test_no_free_name(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    with alone(monkeypatch, **table("name", 8)) as probe:
        talk(net, 1, 50)
        probe.shows(lambda: sum(probe.requests(role="client").values()), 50)
        probe.shows(lambda: sum(probe.requests(role="server").values()), 50)
        assert probe.tick().lost["name_full"] > 0


def test_no_free_owner(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each namespace is an owner of its own; two are one too many."""
    with alone(monkeypatch, **table("owner", 2)) as probe:
        talk(net, 3, 5)
        probe.shows(lambda: sum(probe.requests(role="client").values()), 15)
        probe.shows(lambda: sum(probe.requests(role="server").values()), 15)
        assert {row.labels.workload.kind for row in probe.flows()} >= {"unknown"}
        assert probe.tick().lost["owner_full"] > 0


def test_too_many_queries_in_flight(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    with alone(monkeypatch, pendings=64) as probe:
        with net.client.socket(kind=socket.SOCK_DGRAM) as client, net.server.socket(kind=socket.SOCK_DGRAM) as server:
            server.bind((net.server4, 53))
            client.connect((net.server4, 53))
            for number in range(200):
                client.send(
                    number.to_bytes(2, "big") + bytes.fromhex("01000001000000000000 0166047465737400 0001 0001")
                )
                server.recv(100)
        probe.shows(lambda: sum(probe.requests().values()) + probe.tick().lost["pending_full"], 400)
        assert probe.tick().lost["pending_full"] >= 400 - 64


def test_everything_before_was_given_back(net: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recycling makes room again: more operations than slots, one after the other."""
    with alone(monkeypatch, **table("op", 16), **table("flow", 16)) as probe:
        settings = probe.collector._recycler._policy
        object.__setattr__(settings, "idle_seconds", 0.0)
        object.__setattr__(settings, "pressure_idle_seconds", 0.0)
        for first in range(10):
            talk(net, 1, 3, b"/" + _letters(first))
            for _ in range(3):
                probe.tick()
        probe.shows(lambda: sum(probe.requests().values()), 60)
        assert not {"op_full", "flow_full"} & {cause for cause, count in probe.tick().lost.items() if count}


def attached() -> int:
    """Programs on the root of cgroup v2, by the kinds of hooks that the probe has."""
    root = cgroup.open_root()
    try:
        kinds = (0, 1, 2, 3, 10, 11, 34)  # enum bpf_attach_type: packets in, out, sockets, sock_ops, connect, release
        return sum(len(syscall.program_query(root, kind)) for kind in kinds)
    finally:
        os.close(root)


def test_killed(source: LiveSource, net: Link, tmp_path: Path) -> None:
    """SIGKILL takes the programs with it; who was talking does not notice."""
    servers.nginx(net, tmp_path)
    before = attached()
    script = "from live.probe import attach; import time; s = attach(); print('up', flush=True); time.sleep(60)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with net.connect(servers.HTTP) as client:
        with subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
        ) as agent:
            assert agent.stdout
            assert agent.stdout.readline() == "up\n"
            during = attached()
            _ask(client)
            agent.send_signal(signal.SIGKILL)
            agent.wait()
        _ask(client)
    assert during > before
    end = time.monotonic() + 5
    while attached() >= during and time.monotonic() < end:
        time.sleep(0.05)
    assert attached() < during
    net.client.run("curl", "-sS", f"http://{net.server4}/")


def _ask(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: k.test\r\n\r\n")
    assert client.recv(1000).endswith(b"hello\n")
