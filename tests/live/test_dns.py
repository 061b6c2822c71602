"""DNS over UDP and TCP, and NTP: real queries, counted by name, type and answer."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from live.netns import Link
from live.probe import Probe

pytestmark = [pytest.mark.root, pytest.mark.live]

DNS = 53
NTP = 123
SO_RCVBUFFORCE = 33


def dnsmasq(net: Link) -> None:
    net.server.start(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
        "--pid-file=", "--cache-size=1000", "--bind-interfaces", "--local=/test/", "--local-ttl=77",
        "--host-record=a.test,192.0.2.1,2001:db8::1", "--cname=alias.test,a.test",
        "--dns-rr=h.test,65,0001000001000302683200040004c0000207", "--txt-record=t.test,some text",
    )  # fmt: skip
    net.server.wait_open(DNS, "udp")
    net.server.wait_open(DNS)


def dig(net: Link, *what: str, family: str = "v4") -> str:
    return net.client.run("dig", f"@{net.ends(family)[1]}", "+tries=1", "+noedns", *what)


def both(probe: Probe, net: Link, wanted: dict[tuple[str, str], int], family: str = "v4", **labels: object) -> None:
    client, server = net.ends(family)
    probe.shows_requests(wanted, role="client", local_ip=client, **labels)
    probe.shows_requests(wanted, role="server", local_ip=server, **labels)


@pytest.mark.parametrize("family", ["v4", "v6"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_names_types_and_answers(probe: Probe, net: Link, family: str, transport: str) -> None:
    dnsmasq(net)
    tcp = ["+tcp", "+keepopen"] if transport == "tcp" else []
    queries = []
    for _ in range(10):
        for name, kind in (
            ("a.test", "A"),
            ("a.test", "AAAA"),
            ("alias.test", "A"),
            ("no.test", "A"),
            ("t.test", "TXT"),
        ):
            queries += [*tcp, name, kind]
    queries += [*tcp, "h.test", "TYPE65", *tcp, "A.TEST", "A"]
    dig(net, *queries, family=family)
    wanted = {
        ("A a.test", "0"): 11,
        ("AAAA a.test", "0"): 10,
        ("A alias.test", "0"): 10,
        ("A no.test", "3"): 10,
        ("TXT t.test", "0"): 10,
        ("HTTPS h.test", "0"): 1,
    }
    both(probe, net, wanted, family, transport=transport)


def test_what_an_answer_says(probe: Probe, net: Link) -> None:
    """Addresses, the way by aliases, and how long it holds."""
    dnsmasq(net)
    dig(net, "alias.test", "A", "a.test", "AAAA", "h.test", "TYPE65")
    probe.shows(lambda: sum(probe.requests(local_ip=net.client4).values()), 3)
    seen = {
        (each.question, record.name, record.type, record.ttl, record.value)
        for each in probe.tick().answers
        if each.server_ip == net.server4
        for record in each.records
    }
    assert seen == {
        ("alias.test", "alias.test", "CNAME", 77, "a.test"),
        ("alias.test", "a.test", "A", 77, "192.0.2.1"),
        ("a.test", "a.test", "AAAA", 77, "2001:db8::1"),
        ("h.test", "h.test", "HTTPS", 77, "1 . alpn=h2 ipv4hint=192.0.2.7"),
    }


def test_names_of_connections(probe: Probe, net: Link) -> None:
    """An address that somebody on this node asked for is shown with its name, whoever connects to it."""
    net.server.start(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
        "--pid-file=", "--bind-interfaces", f"--host-record=named.test,{net.server4}", "--local-ttl=60",
    )  # fmt: skip
    net.server.wait_open(DNS, "udp")
    dig(net, "named.test", "A")
    probe.shows(lambda: sum(probe.requests(local_ip=net.client4).values()), 1)
    with net.connection(7000) as (client, server):
        client.sendall(b"\x01hello")
        server.recv(10)
    probe.shows(
        lambda: {(r.labels.name, r.labels.evidence) for r in probe.flows(local_ip=net.client4, port=7000) if r.opened},
        {("named.test", "node-dns")},
    )


def test_no_answer(probe: Probe, net: Link) -> None:
    """Counted once, when patience is over; an answer that comes in time is no silence."""
    with net.server.socket(kind=socket.SOCK_DGRAM) as server:
        server.bind((net.server4, DNS))
        dig_args = [x for i in range(5) for x in ("+time=1", f"silent{i}.test", "A")]
        net.client.run("dig", f"@{net.server4}", "+tries=1", *dig_args, check=False, timeout=30)
    wanted = {(f"A silent{i}.test", ""): 1 for i in range(5)}
    both(probe, net, wanted)


def test_asked_again(probe: Probe, net: Link) -> None:
    """The same query three times with the same id, as resolvers do, and one answer."""
    query = struct.pack("!6H", 77, 0x0100, 1, 0, 0, 0) + b"\x05again\x04test\0" + struct.pack("!2H", 1, 1)
    with net.server.socket(kind=socket.SOCK_DGRAM) as server, net.client.socket(kind=socket.SOCK_DGRAM) as client:
        server.bind((net.server4, DNS))
        client.connect((net.server4, DNS))
        for _ in range(3):
            client.send(query)
            assert server.recv(512) == query
        server.sendto(query[:2] + b"\x81\x80" + query[4:], client.getsockname())
        client.recv(512)
    probe.shows(lambda: probe.requests(local_ip=net.client4).get(("A again.test", "0"), 0), 1)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_tcp_in_pieces(probe: Probe, net: Link, step: int) -> None:
    """Queries without waiting, the length's own two bytes apart."""

    def message(number: int, flags: int) -> bytes:
        body = struct.pack("!6H", number, flags, 1, 0, 0, 0) + b"\x02n%d\x04test\0" % number + struct.pack("!2H", 28, 1)
        return struct.pack("!H", len(body)) + body

    queries = b"".join(message(number, 0x0100) for number in range(1, 6))
    answers = b"".join(message(number, 0x8183) for number in range(1, 6))
    with net.connection(DNS) as (client, server):
        for data, sender, receiver in ((queries, client, server), (answers, server, client)):
            for at in range(0, len(data), step):
                sender.sendall(data[at : at + step])
            left = len(data)
            while left:
                left -= len(receiver.recv(left))
    both(probe, net, {(f"AAAA n{number}.test", "3"): 1 for number in range(1, 6)})


@contextmanager
def time_server(net: Link) -> Iterator[None]:
    with net.server.socket(kind=socket.SOCK_DGRAM) as server:
        server.bind((net.server4, NTP))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    data, sender = server.recvfrom(100)
                    if not data:
                        return
                    server.sendto(bytes([0x24, 2]) + bytes(22) + data[40:] + bytes(8) + data[40:], sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with net.client.socket(kind=socket.SOCK_DGRAM) as last:
                last.sendto(b"", (net.server4, NTP))
            thread.join()


def test_ntp(probe: Probe, net: Link) -> None:
    with time_server(net), net.client.socket(kind=socket.SOCK_DGRAM) as client:
        client.connect((net.server4, NTP))
        for number in range(20):
            client.send(b"\x23" + bytes(39) + struct.pack("!Q", number))
            assert len(client.recv(100)) == 48
    probe.shows(lambda: sum(probe.requests(local_ip=net.client4, protocol="ntp").values()), 20)
    probe.shows(lambda: sum(probe.requests(local_ip=net.server4, protocol="ntp").values()), 20)
    assert {status for _, status in probe.requests(local_ip=net.client4)} == {"2"}, probe.requests(local_ip=net.client4)


def test_many_queries_from_one_socket(probe: Probe, net: Link) -> None:
    """2,000 in flight at once over one socket."""
    with net.server.socket(kind=socket.SOCK_DGRAM) as server, net.client.socket(kind=socket.SOCK_DGRAM) as client:
        for each in (server, client):
            each.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        server.bind((net.server4, DNS))
        client.connect((net.server4, DNS))
        tail = b"\x04many\x04test\0" + struct.pack("!2H", 1, 1)
        for number in range(2000):
            client.send(struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + tail)
        for _ in range(2000):
            data, sender = server.recvfrom(512)
            server.sendto(data[:2] + b"\x81\x80" + data[4:], sender)
        for _ in range(2000):
            client.recv(512)
    both(probe, net, {("A many.test", "0"): 2000})
