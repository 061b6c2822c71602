"""HTTP/1.x, counted exactly on both sides: every way in which a message can be framed or cut."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from live import servers
from live.netns import Link
from live.probe import Probe

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 8080
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        assert more, f"the connection ended after {len(data)} of {count} bytes"
        data += more
    return data


def both(probe: Probe, net: Link, wanted: dict[tuple[str, str], int], family: str = "v4") -> None:
    """Assert that client and server count the same requests, and that no byte was missed."""
    client, server = net.ends(family)
    probe.shows_requests(wanted, role="client", local_ip=client)
    probe.shows_requests(wanted, role="server", local_ip=server)


def exchange(pair: tuple[socket.socket, socket.socket], request: bytes, response: bytes) -> None:
    client, server = pair
    client.sendall(request)
    read(server, len(request))
    server.sendall(response)
    read(client, len(response))


@pytest.mark.parametrize("family", ["v4", "v6"])
@pytest.mark.parametrize("keep", [True, False], ids=["keep-alive", "short"])
def test_ab(probe: Probe, net: Link, tmp_path: Path, family: str, keep: bool) -> None:
    servers.nginx(net, tmp_path)
    client, server = net.ends(family)
    count = 20_000 if keep else 2_000
    host = f"[{server}]" if family == "v6" else server
    options = ["-k"] if keep else []
    ab = net.client.start("ab", "-q", "-n", str(count), "-c", "16", *options, f"http://{host}/", stdout=subprocess.PIPE)
    probe.watch(ab)
    assert ab.stdout
    said = ab.stdout.read()
    assert f"Complete requests:      {count}" in said, said
    both(probe, net, {("GET /", "200"): count}, family)
    received = int(re.findall(r"Total transferred:\s+(\d+)", said)[0])
    probe.shows_sums({"bytes_in": received, "active": 0}, local_ip=client)
    probe.shows_sums({"active": 0}, local_ip=server)
    ours, theirs = probe.sums(local_ip=client), probe.sums(local_ip=server)
    assert (ours["opened"], ours["bytes_out"]) == (theirs["opened"], theirs["bytes_in"])
    assert (ours["packets_in"], ours["packets_out"]) == (theirs["packets_out"], theirs["packets_in"])


def test_nginx_says_the_same(probe: Probe, net: Link, tmp_path: Path) -> None:
    """Counts and bytes of curl's requests against the server's own log."""
    servers.nginx(net, tmp_path, log=True)
    (tmp_path / "www/files/large").write_bytes(bytes(3_000_000))
    (tmp_path / "upload").write_bytes(bytes(2_000_000))
    url = f"http://{net.server4}"
    net.client.run("curl", "-sS", *(f"{url}/users/{i}?q={i}" for i in range(50)))
    net.client.run("curl", "-sS", "-o", "/dev/null", f"{url}/files/large", f"{url}/missing", f"{url}/broken")
    net.client.run("curl", "-sS", "-I", f"{url}/files/large", f"{url}/files/large")
    for name in ("one", "two"):  # large enough for curl to ask for "100 Continue" first
        net.client.run("curl", "-sS", "-T", f"{tmp_path}/upload", f"{url}/put/{name}")
    net.client.run("curl", "-sS", "-H", "Expect:", "-T", f"{tmp_path}/upload", f"{url}/put/three")
    wanted = {
        ("GET /users/*", "200"): 50,
        ("GET /files/large", "200"): 1,
        ("GET /missing", "404"): 1,
        ("GET /broken", "503"): 1,
        ("HEAD /files/large", "200"): 2,
        ("PUT /put/one", "201"): 1,
        ("PUT /put/two", "201"): 1,
        ("PUT /put/three", "201"): 1,
    }
    both(probe, net, wanted)
    lines = [line.split() for line in (tmp_path / "access.log").read_text("ascii").splitlines()]
    asked, answered = sum(int(line[0]) for line in lines), sum(int(line[1]) for line in lines)
    interim = 2 * len("HTTP/1.1 100 Continue\r\n\r\n")  # no part of the answer
    for ip in (net.client4, net.server4):
        rows = probe.ops(local_ip=ip)
        assert sum(row.request_bytes for row in rows) == asked
        assert sum(row.response_bytes for row in rows) == answered - interim
    probe.shows_sums({"active": 0}, local_ip=net.client4)
    assert probe.sums("bytes_out", "bytes_in", local_ip=net.client4) == {"bytes_out": asked, "bytes_in": answered}
    assert probe.sums("bytes_in", "bytes_out", local_ip=net.server4) == {"bytes_in": asked, "bytes_out": answered}


def test_answered_early(probe: Probe, net: Link) -> None:
    """The answer comes before the request's body; the body is no request of its own."""
    head = b"POST /early HTTP/1.1\r\nHost: e.test\r\nContent-Length: 5000\r\n\r\n"
    with net.connection(PORT) as pair:
        for _ in range(3):
            exchange(pair, head, OK)
            pair[0].sendall(b"GET /body HTTP/1.1\r\n\r\n".ljust(5000))
            read(pair[1], 5000)
        exchange(pair, b"GET /after HTTP/1.1\r\n\r\n", OK)
    both(probe, net, {("POST /early", "200"): 3, ("GET /after", "200"): 1})
    for row in probe.ops(local_ip=net.client4, operation="POST /early"):
        assert 3 * len(head) <= row.request_bytes <= 3 * (len(head) + 5000)


def test_v4_mapped(probe: Probe, net: Link) -> None:
    with net.connection(PORT, "mapped") as pair:
        for _ in range(7):
            exchange(pair, b"GET /mapped HTTP/1.1\r\nHost: mapped.test\r\n\r\n", OK)
    both(probe, net, {("GET /mapped", "200"): 7})
    assert {row.labels.remote_ip for row in probe.flows(local_ip=net.client4)} == {net.server4}


def test_split_byte_by_byte(probe: Probe, net: Link) -> None:
    request = b"GET /slowly/1 HTTP/1.1\r\nHost: split.test\r\nX-Long: " + b"x" * 300 + b"\r\n\r\n"
    response = b"HTTP/1.1 201 Created\r\nX-Long: " + b"y" * 300 + b"\r\nContent-Length: 3\r\n\r\nabc"
    with net.connection(PORT) as (client, server):
        for _ in range(3):
            for i in range(len(request)):
                client.sendall(request[i : i + 1])
                read(server, 1)
            for i in range(len(response)):
                server.sendall(response[i : i + 1])
                read(client, 1)
    both(probe, net, {("GET /slowly/*", "201"): 3})
    (flow,) = probe.flows(local_ip=net.client4, name="split.test")
    assert flow.labels.evidence == "host"
    assert flow.opened == 1
    # the first of them came before the name was known
    sent = probe.sums("bytes_out", "packets_out", local_ip=net.client4)
    assert sent == {"bytes_out": 3 * len(request), "packets_out": 3 * len(request)}


@pytest.mark.parametrize("cut", range(1, 60, 3))
def test_head_cut_once(probe: Probe, net: Link, cut: int) -> None:
    request = b"POST /cut HTTP/1.1\r\nHost: cut.test\r\nContent-Length: 5\r\n\r\nhello"
    with net.connection(PORT) as (client, server):
        for _ in range(2):
            client.sendall(request[:cut])
            read(server, cut)
            client.sendall(request[cut:])
            read(server, len(request) - cut)
            server.sendall(OK[: cut % len(OK) or 1])
            read(client, cut % len(OK) or 1)
            server.sendall(OK[cut % len(OK) or 1 :])
            read(client, len(OK) - (cut % len(OK) or 1))
    both(probe, net, {("POST /cut", "200"): 2})


@pytest.mark.parametrize("depth", [2, 10, 16])
def test_pipelining(probe: Probe, net: Link, depth: int) -> None:
    """Requests sent without waiting, up to as many as the probe keeps apart; one packet may hold all."""
    requests = b"".join(b"GET /p/%d HTTP/1.1\r\nHost: p.test\r\n\r\n" % i for i in range(depth))
    responses = b"".join(b"HTTP/1.1 %d OK\r\nContent-Length: 1\r\n\r\nx" % (200 + i % 2) for i in range(depth))
    with net.connection(PORT) as pair:
        for _ in range(20):
            exchange(pair, requests, responses)
    both(probe, net, {("GET /p/*", "200"): depth * 10, ("GET /p/*", "201"): depth * 10})


def test_deeper_pipelining(probe: Probe, net: Link) -> None:
    """Beyond what the probe keeps apart a request is counted all the same, as "other", and the loss said."""
    before = probe.tick().lost.get("pipeline", 0)
    with net.connection(PORT) as pair:
        exchange(pair, b"GET /deep HTTP/1.1\r\nHost: p.test\r\n\r\n" * 30, OK * 30)
        exchange(pair, b"GET /deep HTTP/1.1\r\nHost: p.test\r\n\r\n", OK)
    both(probe, net, {("GET /deep", "200"): 17, ("other", "200"): 14})
    assert probe.tick().lost["pipeline"] - before == 2 * 14


def test_more_messages_in_a_packet_than_can_be_read(probe: Probe, net: Link) -> None:
    """What is not counted is said, and does no harm to what comes after."""
    before = probe.tick().lost
    with net.connection(PORT) as pair:
        exchange(pair, b"GET /deep HTTP/1.1\r\nHost: p.test\r\n\r\n" * 60, OK * 60)
        for _ in range(5):
            exchange(pair, b"GET /later HTTP/1.1\r\nHost: p.test\r\n\r\n", OK)
    for ip in (net.client4, net.server4):
        probe.shows_count(5, local_ip=ip, operation="GET /later")
        counted = probe.count(local_ip=ip)
        assert counted <= 65
        assert counted == 65 or probe.tick().lost["gap"] > before.get("gap", 0)


def test_chunked(probe: Probe, net: Link) -> None:
    body = b"5\r\nhello\r\n400;ext=1\r\n" + bytes(1024) + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
    request = b"PUT /chunks HTTP/1.1\r\nHost: c.test\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with net.connection(PORT) as (client, server):
        for step in (len(request), 7, 1):
            for i in range(0, len(request), step):
                client.sendall(request[i : i + step])
            read(server, len(request))
            for i in range(0, len(response), step):
                server.sendall(response[i : i + step])
            read(client, len(response))
    both(probe, net, {("PUT /chunks", "200"): 3})
    for row in probe.ops(local_ip=net.client4):
        assert (row.request_bytes, row.response_bytes) == (3 * len(request), 3 * len(response))


def test_bodies_without_body(probe: Probe, net: Link) -> None:
    """HEAD, 204, 304 and 1xx have no body, whatever their heads say."""
    with net.connection(PORT) as pair:
        for _ in range(3):
            exchange(
                pair, b"HEAD /h HTTP/1.1\r\nHost: h.test\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
            )
            exchange(pair, b"GET /n HTTP/1.1\r\nHost: h.test\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n")
            exchange(
                pair,
                b"GET /m HTTP/1.1\r\nHost: h.test\r\nIf-None-Match: x\r\n\r\n",
                b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
            )
            exchange(
                pair,
                b"GET /e HTTP/1.1\r\nHost: h.test\r\n\r\n",
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
            )
    wanted = {("HEAD /h", "200"): 3, ("GET /n", "204"): 3, ("GET /m", "304"): 3, ("GET /e", "200"): 3}
    both(probe, net, wanted)


def test_continue(probe: Probe, net: Link) -> None:
    head = b"POST /c HTTP/1.1\r\nHost: c.test\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    with net.connection(PORT) as (client, server):
        for _ in range(5):
            exchange((client, server), head, interim)
            exchange((client, server), bytes(100_000), OK)
    both(probe, net, {("POST /c", "200"): 5})
    (row,) = probe.ops(local_ip=net.client4)
    assert row.request_bytes == 5 * (len(head) + 100_000)


def test_upgrade(probe: Probe, net: Link) -> None:
    """After 101 the connection speaks something else: even what looks like HTTP is not."""
    request = b"GET /ws HTTP/1.1\r\nHost: u.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    with net.connection(PORT) as pair:
        exchange(pair, request, response)
        for _ in range(5):
            exchange(pair, b"GET /not-http HTTP/1.1\r\n\r\n", OK)
    both(probe, net, {("GET /ws", "101"): 1})
    (flow,) = probe.flows(local_ip=net.client4)
    assert flow.bytes_in == len(response) + 5 * len(OK)


def test_connect(probe: Probe, net: Link) -> None:
    with net.connection(PORT) as pair:
        exchange(
            pair,
            b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
            b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n",
        )
        exchange(pair, b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", b"HTTP/1.1 200 Established\r\n\r\n")
        for _ in range(5):
            exchange(pair, b"GET /inside HTTP/1.1\r\n\r\n", OK)
    both(probe, net, {("CONNECT *", "407"): 1, ("CONNECT *", "200"): 1})


def test_until_close(probe: Probe, net: Link) -> None:
    """A response that only the connection's end delimits, and one that never comes."""
    request = b"GET /old HTTP/1.0\r\nHost: old.test\r\n\r\n"
    response = b"HTTP/1.0 200 OK\r\n\r\n" + bytes(50_000)
    for _ in range(4):
        with net.connection(PORT) as pair:
            exchange(pair, request, response)
            pair[1].close()
            assert pair[0].recv(1) == b""
    with net.connection(PORT) as (client, server):
        client.sendall(request)
        read(server, len(request))
        server.close()
        assert client.recv(1) == b""
    both(probe, net, {("GET /old", "200"): 4, ("GET /old", ""): 1})
    (row,) = probe.ops(local_ip=net.client4, status="200")
    assert row.response_bytes == 4 * len(response)


def test_large_bodies_both_ways(probe: Probe, net: Link, tmp_path: Path) -> None:
    """Files by sendfile, uploads of many segments, on one connection."""
    servers.nginx(net, tmp_path)
    size = 20_000_000
    (tmp_path / "www/files/large").write_bytes(bytes(size))
    url = f"http://{net.server4}"
    net.client.run("curl", "-sS", "-o", "/dev/null", "-o", "/dev/null", f"{url}/files/large", f"{url}/files/large")
    net.client.run("curl", "-sS", "-T", f"{tmp_path}/www/files/large", f"{url}/put/large")
    both(probe, net, {("GET /files/large", "200"): 2, ("PUT /put/large", "201"): 1})
    (row,) = probe.ops(local_ip=net.client4, operation="GET /files/large")
    assert row.response_bytes - 2 * size < 1000
    probe.shows_sums({"active": 0}, local_ip=net.client4)
    ours, theirs = probe.sums(local_ip=net.client4), probe.sums(local_ip=net.server4)
    assert (ours["bytes_in"], ours["bytes_out"]) == (theirs["bytes_out"], theirs["bytes_in"])


def test_first_request_on_the_listener(probe: Probe, net: Link, tmp_path: Path) -> None:
    """TCP_DEFER_ACCEPT: the handshake's last packet carries the request, before there is a socket."""
    servers.nginx(net, tmp_path, option="deferred")
    ab = net.client.start("ab", "-q", "-n", "2000", "-c", "4", f"http://{net.server4}/")
    probe.watch(ab)
    assert ab.returncode == 0
    both(probe, net, {("GET /", "200"): 2000})
