from __future__ import annotations

from pathlib import Path

from kindling.config import NameSettings, Network
from kindling.identity.cgroups import CgroupPaths
from kindling.identity.host import EVERY_SECONDS, Host
from kindling.identity.identifier import Identifier
from unit.identity.host import Host as Files


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_reads_again_after_a_while(tmp_path: Path) -> None:
    clock = Clock()
    own = {"8.8.8.8"}
    hosts = tmp_path / "hosts"
    host = Host(NameSettings(), hosts=hosts, addresses=lambda: set(own), clock=clock)
    own.add("8.8.4.4")
    hosts.write_text("10.0.0.5 db.example\n")
    host.refresh()
    assert host.scopes.place("8.8.4.4").scope == "public"
    clock.now += EVERY_SECONDS
    host.refresh()
    assert host.scopes.place("8.8.4.4").scope == host.scopes.place("8.8.8.8").scope == "own"
    assert host.static.name("10.0.0.5") == "db.example"


def test_settings(tmp_path: Path) -> None:
    host = Host(NameSettings(networks=(Network("8.8.8.0/24", "dns"),)), hosts=tmp_path / "none", addresses=set)
    assert host.scopes.place("8.8.8.8") == ("public", "dns")


def test_a_new_network_namespace_is_looked_into_at_once(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.process(7, "nginx")
    net = files.proc / "7" / "net"
    net.mkdir()
    (net / "fib_trie").write_text("Main:\n     |-- 172.17.0.2\n        /32 host LOCAL\n")
    host = Host(NameSettings(), proc=files.proc, hosts=tmp_path / "none", addresses=set)
    identifier = Identifier(files.proc, files.root, CgroupPaths(files.cgroup), host)
    assert host.scopes.place("172.17.0.2").scope == "private"
    identifier.opened(cgroup=1, netns=4, comm=b"nginx", tgid=7, uid=0)
    assert host.scopes.place("172.17.0.2").scope == "own"
    (net / "fib_trie").write_text("Main:\n     |-- 172.17.0.3\n        /32 host LOCAL\n")
    identifier.opened(cgroup=1, netns=4, comm=b"nginx", tgid=7, uid=0)
    assert host.scopes.place("172.17.0.3").scope == "private", "known namespaces are read once a minute"


def test_the_address_of_the_node_is_no_container_s(tmp_path: Path) -> None:
    """From within a pod too: init is on the network of the node. A virtual address comes later."""
    files, clock = Files(tmp_path), Clock()
    net = files.proc / "1" / "net"
    net.mkdir(parents=True)
    local = "     |-- {}\n        /32 host LOCAL\n"
    (net / "fib_trie").write_text("Main:\n" + local.format("192.0.2.1"))
    own = {"192.0.2.1", "192.0.2.100", "10.244.0.7"}
    host = Host(NameSettings(), proc=files.proc, hosts=tmp_path / "none", addresses=lambda: own, clock=clock)
    assert {address for address in own if host.scopes.of_node(address)} == {"192.0.2.1"}
    (net / "fib_trie").write_text("Main:\n" + local.format("192.0.2.1") + local.format("192.0.2.100"))
    clock.now += EVERY_SECONDS
    host.refresh()
    assert {address for address in own if host.scopes.of_node(address)} == {"192.0.2.1", "192.0.2.100"}


def test_where_the_network_of_the_node_cannot_be_seen_own_addresses_are_its(tmp_path: Path) -> None:
    host = Host(NameSettings(), proc=tmp_path, hosts=tmp_path / "none", addresses=lambda: {"192.0.2.1"})
    assert host.scopes.of_node("192.0.2.1")
