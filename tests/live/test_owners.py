"""Who it was: processes by name, on both sides; and single requests and failures, told one by one."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from kindling.model import Workload
from live import servers
from live.cgroups import cgroup
from live.netns import Link
from live.probe import Probe

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 8080


def test_short_lived_processes(probe: Probe, net: Link, tmp_path: Path) -> None:
    """curl has ended long before anybody could look it up."""
    servers.nginx(net, tmp_path)
    for _ in range(10):
        net.client.run("curl", "-sS", f"http://{net.server4}/")
    net.client.run("ab", "-q", "-n", "10", f"http://{net.server4}/")
    probe.shows_count(20, local_ip=net.client4)
    by_name = {row.labels.workload.name: row.count for row in probe.ops(local_ip=net.client4)}
    assert by_name == {"curl": 10, "ab": 10}
    probe.shows_count(20, local_ip=net.server4)
    assert {row.labels.workload.name for row in probe.flows(local_ip=net.server4)} == {"nginx"}
    for row in probe.flows(local_ip=net.client4):
        assert (row.labels.workload.kind, row.labels.inferred) == ("process", False)


CONTAINER = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "path, workload",
    [
        ("kd-test.slice/kd-test.service", Workload("unit", "kd-test.service")),
        (f"kd-test.slice/docker-{CONTAINER}.scope", Workload("container", CONTAINER[:12], container=CONTAINER[:12])),
        (f"kd-test/crio-{CONTAINER}", Workload("container", CONTAINER[:12], container=CONTAINER[:12])),
    ],
)
def test_curl_of_10_ms_in_a_cgroup(probe: Probe, net: Link, tmp_path: Path, path: str, workload: Workload) -> None:
    """The cgroup in which the socket was opened counts; nobody saw the process, and its pid was used again."""
    servers.nginx(net, tmp_path)
    with cgroup(path) as folder:
        command = f"echo $$ > {folder}/cgroup.procs; exec curl -sS http://{net.server4}/"
        for _ in range(3):
            net.client.run("sh", "-c", command)
        probe.shows_count(3, local_ip=net.client4)
    assert {row.labels.workload for row in probe.flows(local_ip=net.client4)} == {workload}
    assert {row.labels.workload.comm for row in probe.flows(local_ip=net.client4)} == {"curl"}


def test_wrk_on_several_processors(probe: Probe, net: Link, tmp_path: Path) -> None:
    """Two threads and 64 connections against what nginx has logged."""
    servers.nginx(net, tmp_path, log=True)
    wrk = net.client.start("wrk", "-t2", "-c64", "-d2s", f"http://{net.server4}/")
    probe.watch(wrk)
    assert wrk.returncode == 0
    probe.shows_sums({"active": 0}, local_ip=net.client4)
    probe.shows_sums({"active": 0}, local_ip=net.server4)
    logged = len((tmp_path / "access.log").read_bytes().splitlines())
    assert logged > 1000
    probe.shows_requests({("GET /", "200"): logged}, local_ip=net.server4, status="200")
    # what was under way when wrk stopped was answered to nobody
    assert logged - 64 <= probe.count(local_ip=net.client4, status="200") <= logged


def test_a_failed_and_a_slow_request(probe: Probe, net: Link) -> None:
    with net.connection(PORT) as (client, server):
        for path, status, seconds in (
            (b"/no/7?a=b", b"404", 0.0),
            (b"/slow/8", b"200", 0.6),
            (b"/good/9", b"200", 0.0),
        ):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: e.test\r\n\r\n" % path)
            server.recv(1000)
            time.sleep(seconds)
            server.sendall(b"HTTP/1.1 %b X\r\nContent-Length: 0\r\n\r\n" % status)
            client.recv(1000)
    probe.shows_count(3, local_ip=net.client4)
    for ip, role in ((net.client4, "client"), (net.server4, "server")):
        told = [each for each in probe.tick().requests if each.local_ip == ip and each.role == role]
        assert [(each.request, each.status) for each in told] == [("GET /no/7", "404"), ("GET /slow/8", "200")]
        assert told[1].wait_ns >= 0.6e9


def test_failures_are_told(probe: Probe, net: Link) -> None:
    with net.client.socket() as client, suppress(ConnectionRefusedError):
        client.connect((net.server4, PORT))
    probe.shows(lambda: probe.failed(local_ip=net.client4), {"refused": 1})
    (told,) = [each for each in probe.tick().failures if each.local_ip == net.client4]
    assert (told.remote_ip, told.remote_port, told.reason) == (net.server4, PORT, "refused")
