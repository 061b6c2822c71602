"""Connections: bytes and packets as the kernel's own statistics say, and why one ended or never began."""

from __future__ import annotations

import ctypes
import errno
import json
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from live.netns import Link, Namespace
from live.probe import Probe

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 7000
CLOSED = 7001
FAMILIES = pytest.mark.parametrize("family", ["v4", "v6"])
ABRUPT = struct.pack("ii", 1, 0)  # struct linger: close() sends RST


def ss(ns: Namespace, port: int, role: str) -> dict[str, int]:
    """What `ss -ti` says of the one connection to a port."""
    said = ns.run("ss", "-tinOH", "state", "established", f"{'dport' if role == 'client' else 'sport'} = :{port}")
    assert said.count("\n") == 1, said
    return {name: int(value) for name, value in re.findall(r"(\w+):(\d+)(?= |$)", said)} | {
        "retrans": int((re.findall(r"retrans:\d+/(\d+)", said) or ["0"])[0])
    }


def pump(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    """Send from one to the other, both at once."""
    thread = threading.Thread(target=sender.sendall, args=(bytes(size),))
    thread.start()
    left = size
    while left:
        left -= len(receiver.recv(min(left, 1 << 18)))
    thread.join()


@contextmanager
def blackhole(net: Link) -> Iterator[str]:
    """An address that takes packets and never answers."""
    net.server.nft("table inet t { chain c { type filter hook prerouting priority -300; tcp dport 7002 drop; }; }")
    yield net.server4


def routing(net: Link) -> None:
    """The server forwards, and says of every packet why it cannot."""
    net.server.set(ipv4__ip_forward=1, ipv4__icmp_ratelimit=0, ipv6__icmp__ratelimit=0)
    net.server.set(ipv6__conf__all__forwarding=1)


def at_once(net: Link, addresses: list[tuple[str, int]]) -> list[int]:
    """Connect to all of them at the same time, each blocking until the kernel says how it ended."""
    results = [-1] * len(addresses)

    def connect(index: int) -> None:
        address = addresses[index]
        with net.client.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as client:
            client.settimeout(None)
            results[index] = client.connect_ex(address)

    threads = [threading.Thread(target=connect, args=(index,)) for index in range(len(addresses))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@FAMILIES
def test_bytes_and_packets_as_ss_says(probe: Probe, net: Link, family: str) -> None:
    with net.connection(PORT, family) as (client, server):
        for size in (1, 1000, 100_000, 5_000_000):
            pump(client, server, size)
            pump(server, client, size // 2)
        sent, received = ss(net.client, PORT, "client"), ss(net.server, PORT, "server")
    client_ip, server_ip = net.ends(family)
    probe.shows_sums({"closed": 1}, local_ip=client_ip)
    probe.shows_sums({"closed": 1}, local_ip=server_ip)
    for ip, said in ((client_ip, sent), (server_ip, received)):
        assert probe.sums("bytes_out", "bytes_in", "packets_out", "packets_in", local_ip=ip) == {
            "bytes_out": said["bytes_sent"] - said.get("bytes_retrans", 0),
            "bytes_in": said["bytes_received"],
            "packets_out": said["data_segs_out"] - said["retrans"],
            "packets_in": said["data_segs_in"],
        }


def test_retransmits(probe: Probe, net: Link) -> None:
    """Every thirtieth packet is lost on the way."""
    net.server.nft(
        "table inet t { chain c { type filter hook prerouting priority -300;"
        " tcp dport 7000 numgen inc mod 30 0 drop; }; }"
    )
    size = 3_000_000
    with net.connection(PORT) as (client, server):
        pump(client, server, size)
        said = ss(net.client, PORT, "client")
    probe.shows_sums({"closed": 1}, local_ip=net.client4)
    ours = probe.sums(local_ip=net.client4)
    assert ours["bytes_out"] == size
    again = net.client.counter("TcpRetransSegs")
    assert again > 10
    assert said["retrans"] <= again
    assert ours["retransmits"] == again
    probe.shows_sums({"bytes_in": size}, local_ip=net.server4)


@FAMILIES
def test_opened_active_closed(probe: Probe, net: Link, family: str) -> None:
    client_ip, server_ip = net.ends(family)

    def shown(opened: int, active: int) -> None:
        wanted = {"opened": opened, "active": active, "closed": opened - active, "closed_reset": 0}
        for ip in (client_ip, server_ip):
            probe.shows_sums(wanted, local_ip=ip)

    with net.listen(PORT, family) as listener:
        pairs = []
        for _ in range(30):
            client = net.connect(PORT, family)
            pairs.append((client, listener.accept()[0]))
        probe.shows_sums({"active": 30}, local_ip=client_ip)
        for client, server in pairs:
            client.sendall(b"\x01hello")
            server.recv(10)
        shown(30, 30)
        for client, server in pairs[:10]:
            client.close()
            server.close()
        shown(30, 20)
        for client, server in pairs[10:]:
            server.close()
            client.close()
    shown(30, 0)
    assert not probe.failed(local_ip=client_ip)


@FAMILIES
def test_connections_without_a_word(probe: Probe, net: Link, family: str) -> None:
    """Opened and closed without payload: a port scan, a health check."""
    with net.listen(PORT, family) as listener:
        for _ in range(20):
            with net.connect(PORT, family), listener.accept()[0]:
                pass
    wanted = {"opened": 20, "active": 0, "closed": 20, "connect_count": 20}
    probe.shows_sums(wanted, local_ip=net.ends(family)[0])
    wanted["connect_count"] = 0
    probe.shows_sums(wanted, local_ip=net.ends(family)[1])


@pytest.mark.parametrize("who", ["client", "server"])
def test_reset(probe: Probe, net: Link, who: str) -> None:
    for _ in range(6):
        with net.connection(PORT) as (client, server):
            client.sendall(b"\x01hello")
            server.recv(10)
            ends = (client, server) if who == "client" else (server, client)
            ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
            ends[0].close()
            with pytest.raises(ConnectionResetError):
                ends[1].recv(1)
    ips = (net.client4, net.server4) if who == "client" else (net.server4, net.client4)
    wanted = {"opened": 6, "closed": 6, "closed_reset": 6, "resets_out": 6, "resets_in": 0}
    probe.shows_sums(wanted, local_ip=ips[0])
    wanted |= {"resets_out": 0, "resets_in": 6}
    probe.shows_sums(wanted, local_ip=ips[1])


@FAMILIES
def test_refused(probe: Probe, net: Link, family: str) -> None:
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            net.connect(CLOSED, family)
    client_ip = net.ends(family)[0]
    probe.shows(lambda: probe.failed(local_ip=client_ip), {"refused": 5})
    assert probe.sums("opened", "active", local_ip=client_ip) == {"opened": 0, "active": 0}
    (row,) = probe.flows(local_ip=client_ip)
    assert (row.labels.remote_ip, row.labels.port, row.labels.role) == (net.ends(family)[1], CLOSED, "client")


def test_refused_then_connected(probe: Probe, net: Link) -> None:
    """The same socket, tried until it works."""
    with net.client.socket() as client:
        client.settimeout(None)
        for _ in range(3):
            with suppress(ConnectionRefusedError):
                client.connect((net.server4, PORT))
        with net.listen(PORT) as listener:
            client.connect((net.server4, PORT))
            listener.accept()[0].close()
    probe.shows(lambda: probe.failed(local_ip=net.client4), {"refused": 3})
    wanted = {"opened": 1, "closed": 1, "active": 0}
    probe.shows_sums(wanted, local_ip=net.client4)


def test_reset_in_the_handshake(probe: Probe, net: Link) -> None:
    """Both call at once (RFC 9293, section 3.5, figure 8); what the client answers is refused."""
    net.server.nft(
        f"""table inet t {{ chain c {{ type filter hook input priority 0;
            tcp dport {CLOSED} tcp flags & (syn | ack) == syn drop;
            tcp dport {CLOSED} tcp flags & (syn | ack) == (syn | ack) reject with tcp reset; }}; }}"""
    )
    with net.client.socket() as client, net.server.socket() as other:
        client.bind((net.client4, PORT))
        other.bind((net.server4, CLOSED))
        for each in (client, other):
            each.setblocking(False)
        assert client.connect_ex((net.server4, CLOSED)) == errno.EINPROGRESS
        assert other.connect_ex((net.client4, PORT)) == errno.EINPROGRESS
        select.select([], [client], [], 5)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
    probe.shows(lambda: probe.failed(local_ip=net.client4), {"reset": 1})
    assert probe.sums("opened", local_ip=net.client4) == {"opened": 0}


def test_timed_out(probe: Probe, net: Link) -> None:
    """Nobody answers, until the kernel gives up."""
    net.client.set(ipv4__tcp_syn_retries=1)
    with blackhole(net) as address:
        assert at_once(net, [(address, 7002)] * 3) == [errno.ETIMEDOUT] * 3
    probe.shows(lambda: probe.failed(local_ip=net.client4), {"timeout": 3})
    again = net.client.counter("TcpRetransSegs")
    assert probe.sums("retransmits", "opened", local_ip=net.client4) == {"retransmits": again, "opened": 0}


def test_the_application_stops_waiting(probe: Probe, net: Link) -> None:
    with blackhole(net) as address:
        for patience in (1.0, 0.05, 0.05):
            with net.client.socket() as client:
                client.settimeout(patience)
                with pytest.raises(TimeoutError):
                    client.connect((address, 7002))
    probe.shows(lambda: probe.failed(local_ip=net.client4), {"timeout": 1, "aborted": 2})


@FAMILIES
@pytest.mark.parametrize("what", ["unreachable", "prohibit"])
def test_a_router_says_unreachable(probe: Probe, net: Link, family: str, what: str) -> None:
    far = "2001:db8:77::1" if family == "v6" else "203.0.113.77"
    routing(net)
    net.server.ip(f"route add {what} {far}")
    assert set(at_once(net, [(far, PORT)] * 4)) <= {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES}
    probe.shows(lambda: probe.failed(remote_ip=far, local_ip=net.ends(family)[0]), {"unreachable": 4})


def test_unreachable_before_connect_returns(probe: Probe, net: Link) -> None:
    """From a router on this host the answer comes at once; who polls sees it, but not from the socket's state."""
    routing(net)
    net.server.ip("route add unreachable 203.0.113.79")
    with net.client.socket() as client, pytest.raises(OSError, match="No route to host"):
        client.connect(("203.0.113.79", PORT))
    probe.shows(lambda: sum(probe.failed(local_ip=net.client4).values()), 1)
    assert set(probe.failed(local_ip=net.client4)) <= {"unreachable", "aborted"}


def test_no_neighbour_answers(probe: Probe, net: Link) -> None:
    nobody = net.client4.rpartition(".")[0] + ".77"
    assert at_once(net, [(nobody, PORT)] * 2) == [errno.EHOSTUNREACH] * 2
    probe.shows(lambda: probe.failed(local_ip=net.client4), {"unreachable": 2})


@FAMILIES
def test_no_route(probe: Probe, net: Link, family: str) -> None:
    """connect() fails before a packet leaves."""
    far = "2001:db8:78::1" if family == "v6" else "203.0.113.78"
    net.client.ip("route del default" if family == "v4" else "route del ::/0")
    kind = socket.AF_INET6 if family == "v6" else socket.AF_INET
    for _ in range(4):
        with net.client.socket(kind) as client, pytest.raises(OSError, match="Network is unreachable"):
            client.connect((far, PORT))
    probe.shows(lambda: probe.failed(remote_ip=far), {"local": 4})


def test_no_port_left(probe: Probe, net: Link) -> None:
    net.client.set(ipv4__ip_local_port_range="40000 40003")
    with net.listen(PORT) as listener:
        clients = [(net.connect(PORT), listener.accept()[0]) for _ in range(4)]
        for _ in range(3):
            with net.client.socket() as client, pytest.raises(OSError, match="assign requested address"):
                client.connect((net.server4, PORT))
        for pair in clients:
            for each in pair:
                each.close()
    probe.shows(lambda: probe.failed(remote_ip=net.server4), {"local": 3})
    wanted = {"opened": 4, "closed": 4}
    probe.shows_sums(wanted, local_ip=net.client4)


def test_success_is_never_a_failure(probe: Probe, net: Link) -> None:
    """However it is asked for: blocking or not, bound before, again on the same socket, closed at once."""
    with net.listen(PORT) as listener:
        for style in range(400):
            with net.client.socket() as client:
                if style % 4 == 1:
                    client.bind((net.client4, 0))
                if style % 4 == 2:
                    client.setblocking(False)
                    assert client.connect_ex((net.server4, PORT)) == errno.EINPROGRESS
                else:
                    client.connect((net.server4, PORT))
                server = listener.accept()[0]
                if style % 4 == 3:
                    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
                server.close()
                if style % 8 == 0:
                    client.connect_ex((net.server4, PORT))  # in vain, for it is connected
    wanted = {"opened": 400, "closed": 400, "active": 0}
    probe.shows_sums(wanted, local_ip=net.client4)
    probe.shows_sums(wanted, local_ip=net.server4)
    assert probe.failed(local_ip=net.client4) == {}
    assert probe.failed(local_ip=net.server4) == {}


def test_connect_again_after_disconnect(probe: Probe, net: Link) -> None:
    """connect() to AF_UNSPEC ends a connection; the socket may then have another."""
    with net.listen(PORT) as listener, net.client.socket() as client:
        for _ in range(3):
            client.connect((net.server4, PORT))
            server = listener.accept()[0]
            client.sendall(b"\x01hello")
            assert server.recv(10)
            _disconnect(client)
            server.close()
    wanted = {"opened": 3, "closed": 3, "active": 0}
    probe.shows_sums(wanted, local_ip=net.client4)
    assert probe.failed(local_ip=net.client4) == {}


def _disconnect(client: socket.socket) -> None:
    address = struct.pack("=H14x", socket.AF_UNSPEC)
    assert ctypes.CDLL(None).connect(client.fileno(), address, len(address)) == 0


def test_iperf3(probe: Probe, net: Link) -> None:
    """Bulk both ways at once, over several connections: bytes as iperf3's own kernel counters say."""
    net.server.start("iperf3", "-s", "-1", "-p", "5201")
    net.server.wait_open(5201)
    said = json.loads(net.client.run("iperf3", "-J", "-c", net.server4, "-p", "5201", "-n", "200M", "-P", "4"))["end"]
    probe.shows_sums({"opened": 5, "active": 0}, local_ip=net.client4)
    ours, theirs = probe.sums(local_ip=net.client4), probe.sums(local_ip=net.server4)
    # and a few KB of iperf3's own messages
    assert said["sum_received"]["bytes"] <= ours["bytes_out"] <= said["sum_sent"]["bytes"] + 20_000
    assert (ours["bytes_in"], ours["bytes_out"]) == (theirs["bytes_out"], theirs["bytes_in"])


def test_udp(probe: Probe, net: Link) -> None:
    with net.server.socket(kind=socket.SOCK_DGRAM) as server, net.client.socket(kind=socket.SOCK_DGRAM) as client:
        server.bind((net.server4, PORT))
        client.connect((net.server4, PORT))
        for size in range(1, 101):
            client.send(bytes(size))
            data, sender = server.recvfrom(200)
            server.sendto(data * 2, sender)
            client.recv(400)
    wanted = {"opened": 1, "bytes_out": 5050, "bytes_in": 10100, "packets_out": 100, "packets_in": 100}
    probe.shows_sums(wanted, local_ip=net.client4, transport="udp")
    wanted |= {"bytes_out": 10100, "bytes_in": 5050}
    probe.shows_sums(wanted, local_ip=net.server4, transport="udp")


def test_drops_are_counted_by_reason(probe: Probe, net: Link) -> None:
    """The kernel's own reason, where it tells it."""
    before = probe.source.drops()
    if probe.source.drops_missing:
        pytest.skip(probe.source.drops_missing)
    with net.client.socket(kind=socket.SOCK_DGRAM) as client:
        for _ in range(10):
            with suppress(ConnectionRefusedError):
                client.sendto(b"to nobody", (net.server4, CLOSED))
    after = probe.source.drops()
    assert after.get("NO_SOCKET", after.get("no_socket", 0)) - before.get("NO_SOCKET", before.get("no_socket", 0)) >= 10
