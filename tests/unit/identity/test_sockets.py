from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.identity import sockdiag
from kindling.identity.sockdiag import CLOSE, ESTABLISHED, LISTEN, Socket
from kindling.identity.sockets import assign_roles, ephemeral_ports, older_sockets, socket_owners
from kindling.model import RoleNumber
from unit.identity.host import Host

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
HERE = b"\x0a\0\0\1" + bytes(12)
THERE = b"\x0a\0\0\2" + bytes(12)
CLIENT, SERVER, UNKNOWN = RoleNumber.CLIENT, RoleNumber.SERVER, RoleNumber.UNKNOWN


def sock(protocol: int, state: int, local: int, remote: int = 0, ip: bytes = HERE, cookie: int = 1) -> Socket:
    return Socket(protocol, state, ip, local, THERE if remote else bytes(16), remote, cookie, 9)


@pytest.mark.parametrize(
    "sockets, role",
    [
        ([sock(TCP, LISTEN, 80)], SERVER),
        ([sock(TCP, ESTABLISHED, 80, 40_000), sock(TCP, LISTEN, 80)], SERVER),
        ([sock(TCP, ESTABLISHED, 80, 40_000), sock(TCP, LISTEN, 80, ip=bytes(16))], SERVER),
        ([sock(TCP, ESTABLISHED, 50_080, 40_000), sock(TCP, LISTEN, 50_080)], SERVER),
        ([sock(TCP, ESTABLISHED, 50_080, 40_000), sock(TCP, LISTEN, 50_080, ip=THERE)], CLIENT),
        ([sock(TCP, ESTABLISHED, 40_000, 80)], CLIENT),
        ([sock(TCP, ESTABLISHED, 80, 40_000)], SERVER),
        ([sock(TCP, ESTABLISHED, 900, 2049)], CLIENT),
        ([sock(UDP, CLOSE, 53)], SERVER),
        ([sock(UDP, CLOSE, 50_000)], UNKNOWN),
        ([sock(UDP, CLOSE, 0)], UNKNOWN),
        ([sock(UDP, ESTABLISHED, 50_000, 53)], CLIENT),
        ([sock(TCP, CLOSE, 0)], UNKNOWN),
    ],
)
def test_roles(sockets: list[Socket], role: RoleNumber) -> None:
    assert assign_roles(sockets, 32_768)[0][1] == role


def test_ephemeral_ports(tmp_path: Path) -> None:
    assert ephemeral_ports(tmp_path) == (32_768, 60_999)
    file = tmp_path / "sys/net/ipv4/ip_local_port_range"
    file.parent.mkdir(parents=True)
    file.write_text("10000\t20000\n")
    assert ephemeral_ports(tmp_path) == (10_000, 20_000)


def test_owners(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.process(7, "master")
    host.process(9, "worker")
    host.socket(7, 3, 100)
    host.socket(9, 3, 100)
    host.socket(9, 4, 101)
    assert socket_owners(host.proc) == {100: 7, 101: 9}


@given(st.binary(max_size=400))
def test_broken_netlink(data: bytes) -> None:
    for message in sockdiag.split(data)[1]:
        sockdiag.read(message, TCP)


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, socket.socket, socket.socket]]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        server, _ = listener.accept()
        stack.enter_context(server)
        yield listener, client, server


def cookie(s: socket.socket) -> int:
    return int.from_bytes(s.getsockopt(socket.SOL_SOCKET, 57, 8), "little")  # SO_COOKIE


def test_sockets_of_this_process(connected: tuple[socket.socket, ...]) -> None:
    found = {s.cookie: s for s in older_sockets()}
    roles = [found[cookie(s)].role for s in connected]
    assert roles == [SERVER, CLIENT, SERVER]
    assert {found[cookie(s)].pid for s in connected} == {os.getpid()}


def test_this_thread_stays_where_it_is() -> None:
    before = Path("/proc/thread-self/ns/net").stat().st_ino
    older_sockets()
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before
    assert not [t for t in threading.enumerate() if t.name == "netns"]
