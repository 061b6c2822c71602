"""Questions to the kernel's connection tracking, and its answers; `tests/live/test_backends.py` asks a real one."""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.kubernetes.conntrack import Connection, Conntrack, answers, direction, question
from kindling.wire import netlink

NEW, GET = 0x100, 0x101
PORTS = st.integers(0, 0xFFFF)
FOUR, SIX = st.ip_addresses(v=4), st.ip_addresses(v=6)
ADDRESSES = st.one_of(st.tuples(FOUR, FOUR), st.tuples(SIX, SIX))
NUMBERS = {"tcp": 6, "udp": 17}
Address = IPv4Address | IPv6Address


def entry(sequence: int, client: tuple[str, int], service: tuple[str, int], backend: tuple[str, int]) -> bytes:
    """As the kernel answers, status and timeout too."""
    packed = {end: (ip_address(end[0]).packed, end[1]) for end in (client, service, backend)}
    family = socket.AF_INET6 if ":" in client[0] else socket.AF_INET
    payload = (
        struct.pack("=BBH", family, 0, 0)
        + direction(1, packed[client], packed[service], 6)
        + direction(2, packed[backend], packed[client], 6)
        + netlink.attribute(3, struct.pack(">I", 0x1A6))
        + netlink.attribute(7, struct.pack(">I", 86_399))
    )
    return netlink.message(NEW, 0, sequence, payload)


@given(ADDRESSES, PORTS, PORTS, st.sampled_from(["tcp", "udp"]), st.integers(0, 0x7FFF_FFFF))
def test_question(ends: tuple[Address, Address], client_port: int, port: int, transport: str, sequence: int) -> None:
    client, address = ends
    asked = question(Connection(str(client), client_port, str(address), port, transport), sequence)
    family = socket.AF_INET if client.version == 4 else socket.AF_INET6
    wanted = struct.pack("=BBH", family, 0, 0) + direction(
        1, (client.packed, client_port), (address.packed, port), NUMBERS[transport]
    )
    assert asked == netlink.message(GET, netlink.REQUEST, sequence, wanted)


@given(st.one_of(st.tuples(FOUR, FOUR, FOUR), st.tuples(SIX, SIX, SIX)), PORTS, PORTS)
def test_answer(ends: tuple[Address, Address, Address], port: int, backend_port: int) -> None:
    client, service, backend = ends
    answer = entry(7, (str(client), port), (str(service), 80), (str(backend), backend_port))
    ((sequence, found),) = answers(answer)
    assert found is not None
    assert (sequence, ip_address(found[0]), found[1]) == (7, backend, backend_port)


def test_no_such_connection() -> None:
    missing = netlink.message(netlink.ERROR, 0, 3, struct.pack("=i", -errno.ENOENT) + bytes(16))
    assert list(answers(missing)) == [(3, None)]


def test_refused() -> None:
    refused = netlink.message(netlink.ERROR, 0, 3, struct.pack("=i", -errno.EPERM) + bytes(16))
    with pytest.raises(OSError, match="connection tracking") as told:
        list(answers(refused))
    assert told.value.errno == errno.EPERM


@given(st.data())
def test_cut_off(data: st.DataObject) -> None:
    whole = entry(1, ("10.1.0.5", 40_000), ("10.96.0.10", 80), ("10.1.0.6", 8080))
    payload = whole[16 : data.draw(st.integers(16, len(whole)))]
    for _, found in answers(netlink.message(NEW, 0, 1, payload)):
        assert found in {None, ("10.1.0.6", 8080)}


@given(st.binary(max_size=300))
def test_any_bytes(payload: bytes) -> None:
    for _, found in answers(netlink.message(NEW, 0, 1, payload)):
        assert found is None or 0 <= found[1] <= 0xFFFF


class Kernel:
    """The other end of the link: knows some connections, by the client's port."""

    def __init__(self, known: dict[int, tuple[str, int]]) -> None:
        self.known = known
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def answer(self, asked: list[Connection], first: int) -> None:
        for sequence, each in enumerate(asked, first):
            backend = self.known.get(each.client_port)
            if backend:
                self.theirs.send(entry(sequence, (each.client, each.client_port), (each.address, each.port), backend))
            else:
                code = struct.pack("=i", -errno.ENOENT)
                self.theirs.send(netlink.message(netlink.ERROR, 0, sequence, code))


def test_answers_belong_to_their_questions() -> None:
    kernel = Kernel({2: ("10.1.0.7", 8080)})
    asked = [Connection("10.1.0.5", port, "10.96.0.10", 80, "tcp") for port in (1, 2, 3)]
    with kernel.ours, kernel.theirs:
        kernel.theirs.send(entry(99, ("10.1.0.5", 9), ("10.96.0.10", 80), ("10.1.0.9", 1)))  # to a question given up
        kernel.answer(asked, 0)
        assert Conntrack(kernel.ours).ask(asked) == [None, ("10.1.0.7", 8080), None]
        assert len(list(netlink.messages(kernel.theirs.recv(4096)))) == 3
