"""By which name a destination is known: real resolvers, clients and servers, and what stands in the way of names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from live import servers
from live.netns import Link, Namespace
from live.probe import Probe
from live.test_tls import client_hello

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 7000
Named = dict[tuple[str, str, str], int]


def dnsmasq(where: Namespace, *options: str) -> None:
    where.start(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--user=root", "--pid-file=",
        "--bind-interfaces", *options,
    )  # fmt: skip
    where.wait_open(53, "udp")
    where.wait_open(53)


class Net:
    """A client that resolves names as programs do, and a server that takes connections and says nothing."""

    def __init__(self, link: Link, folder: Path) -> None:
        self.link = link
        self.client, self.server = link.client, link.server
        self._resolv = folder / "resolv.conf"

    def names(self, *records: str, search: str = "") -> None:
        dnsmasq(self.server, "--no-resolv", "--local=/test/", "--local-ttl=60", *records)
        self.resolver(self.link.server4, search)

    def resolver(self, address: str, search: str = "") -> None:
        self._resolv.write_text(f"{search}\nnameserver {address}\noptions attempts:1\n", encoding="ascii")

    def run(self, *command: str) -> None:
        """With the resolver as the system's."""
        self.client.run(
            "unshare", "--mount", "sh", "-c", f'mount --bind {self._resolv} /etc/resolv.conf; exec "$@"', "sh", *command
        )

    def connect(self, *hosts: str, times: int = 1) -> None:
        """A connection of bash to each, with a word that does not name it."""
        script = (
            f'for i in $(seq {times}); do for h; do exec 3<>"/dev/tcp/$h/{PORT}"; echo x >&3; exec 3<&-; done; done'
        )
        self.run("bash", "-c", script, "bash", *hosts)


@pytest.fixture
def world(net: Link, tmp_path: Path) -> Iterator[Net]:
    with net.listen(PORT), net.listen(PORT, "v6"):
        yield Net(net, tmp_path)


def named(probe: Probe, world: Net, port: int = PORT) -> Named:
    """Connections by workload, name and evidence."""
    found: Named = {}
    for ip in (world.link.client4, world.link.client6):
        for row in probe.flows(local_ip=ip, port=port, role="client"):
            key = row.labels.workload.name, row.labels.name, row.labels.evidence
            found[key] = found.get(key, 0) + row.opened
    return found


def shows(probe: Probe, world: Net, wanted: Named, port: int = PORT) -> None:
    probe.shows(lambda: named(probe, world, port), wanted)


def test_curl_that_lives_for_10_ms(probe: Probe, world: Net, tmp_path: Path) -> None:
    """Nobody looks while they are there; each is known by its own name and by the Host of its request."""
    servers.nginx(world.link, tmp_path)
    world.names(f"--host-record=shop.test,{world.link.server4}")
    for _ in range(5):
        world.run("curl", "-sS", "http://shop.test/")
    shows(probe, world, {("curl", "shop.test", "host"): 5}, 80)


def test_answer_that_the_workload_got(probe: Probe, world: Net) -> None:
    """Between two readings: the answer is read before the connection that follows it is named."""
    world.names(f"--host-record=db.test,{world.link.server4}")
    world.connect("db.test", times=3)
    shows(probe, world, {("bash", "db.test", "dns"): 3})


def test_answer_that_somebody_else_got(probe: Probe, world: Net) -> None:
    world.names(f"--host-record=db.test,{world.link.server4}")
    world.run("dig", "db.test")
    world.connect(world.link.server4)
    shows(probe, world, {("bash", "db.test", "node-dns"): 1})


@pytest.mark.parametrize("names", [("a.test", "longer.test"), ("a.test", "b.test")])
def test_two_names_behind_one_address(probe: Probe, world: Net, names: tuple[str, str]) -> None:
    """Without a word from the connection: the newest answer before it tells."""
    world.names(*(f"--host-record={name},{world.link.server4}" for name in names))
    for name, times in zip(names, (2, 3), strict=True):
        world.connect(name, times=times)
        probe.tick()
    shows(probe, world, {("bash", names[0], "dns"): 2, ("bash", names[1], "dns"): 3})


def test_two_names_of_certificates_behind_one_address(probe: Probe, world: Net) -> None:
    world.names(f"--host-record=a.test,{world.link.server4}", f"--host-record=b.test,{world.link.server4}")
    for name, times in (("a.test", 2), ("b.test", 1)):
        for _ in range(times):
            with world.link.connection(443) as (client, server):
                client.sendall(client_hello(name, padding=0))
                server.recv(1000)
    probe.shows(
        lambda: {
            (row.labels.name, row.labels.evidence): row.opened
            for row in probe.flows(local_ip=world.link.client4, port=443, role="client")
        },
        {("a.test", "sni"): 2, ("b.test", "sni"): 1},
    )


def test_name_that_comes_late(probe: Probe, world: Net) -> None:
    """Long after the handshake, while the tables were read several times: one row, which was never another."""
    with world.link.connection(443) as (client, server):
        for _ in range(5):
            probe.tick()
            time.sleep(0.05)
        client.sendall(client_hello("late.test", padding=0))
        server.recv(1000)
        probe.shows_sums({"opened": 1, "active": 1}, local_ip=world.link.client4, port=443, name="late.test")
    probe.shows(
        lambda: [
            (row.labels.name, row.opened, row.active) for row in probe.flows(local_ip=world.link.client4, port=443)
        ],
        [("late.test", 1, 0)],
    )


def test_one_name_on_many_addresses(probe: Probe, world: Net) -> None:
    world.names(f"--host-record=both.test,{world.link.server4},{world.link.server6}")
    for family in ("-4", "-6"):
        world.run("sh", "-c", f"echo x | curl -sS -m 1 {family} telnet://both.test:{PORT} || true")
    shows(probe, world, {("curl", "both.test", "dns"): 2})
    addresses = {
        row.labels.remote_ip
        for ip in (world.link.client4, world.link.client6)
        for row in probe.flows(local_ip=ip, port=PORT)
    }
    assert addresses == {world.link.server4, world.link.server6}


def test_answers_that_hold_for_no_time(probe: Probe, world: Net) -> None:
    world.names(f"--host-record=zero.test,{world.link.server4},0")
    for _ in range(3):
        world.connect("zero.test")
        probe.tick()
    shows(probe, world, {("bash", "zero.test", "dns"): 3})


def test_aliases(probe: Probe, world: Net) -> None:
    """The name that was asked for, not the one that it leads to."""
    world.names(
        f"--host-record=edge.cdn.test,{world.link.server4}", "--cname=www.test,www.cdn.test",
        "--cname=www.cdn.test,edge.cdn.test",
    )  # fmt: skip
    world.connect("www.test")
    shows(probe, world, {("bash", "www.test", "dns"): 1})


def test_search_domains(probe: Probe, world: Net) -> None:
    world.names(f"--host-record=db.right.test,{world.link.server4}", search="search wrong.test right.test")
    world.connect("db")
    shows(probe, world, {("bash", "db.right.test", "dns"): 1})


def test_answers_over_tcp(probe: Probe, world: Net) -> None:
    world.names(f"--host-record=tcp.test,{world.link.server4}")
    world.run("dig", "+tcp", "tcp.test")
    world.connect(world.link.server4)
    shows(probe, world, {("bash", "tcp.test", "node-dns"): 1})


def test_answers_that_are_cut(probe: Probe, world: Net) -> None:
    """Too long for UDP: asked again over TCP. Sixty addresses, the last one as good as the first."""
    addresses = [f"198.51.100.{i}" for i in range(1, 60)]
    world.names(*(f"--host-record=many.test,{each}" for each in (*addresses, world.link.server4)))
    world.run("dig", "+noedns", "many.test")
    world.connect(world.link.server4)
    shows(probe, world, {("bash", "many.test", "node-dns"): 1})


def test_resolver_on_this_host(probe: Probe, world: Net) -> None:
    """Who asked the stub got an answer; what the stub itself was told is a hint for all others."""
    world.names(f"--host-record=db.test,{world.link.server4}")
    dnsmasq(world.client, "--no-resolv", f"--server={world.link.server4}", "--listen-address=127.0.0.1")
    world.resolver("127.0.0.1")
    world.connect("db.test")
    world.run("sh", "-c", f"echo x | curl -sS -m 1 telnet://{world.link.server4}:{PORT} || true")
    shows(probe, world, {("bash", "db.test", "dns"): 1, ("curl", "db.test", "node-dns"): 1})


def test_nobody_asked(probe: Probe, world: Net) -> None:
    world.names("--host-record=other.test,198.51.100.1")
    world.run("dig", "none.test")
    world.connect(world.link.server4)
    shows(probe, world, {("bash", "", "address"): 1})
