"""TLS without keys: the name asked for, the protocols offered, the version; the rest is bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from live import servers
from live.netns import Link
from live.probe import Probe

pytestmark = [pytest.mark.root, pytest.mark.live]

PORT = 443


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=tls.test", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def serve(net: Link, folder: Path, certificate: Path) -> None:
    servers.nginx(
        net,
        folder,
        listens=("80", f"{PORT} ssl http2", f"[::]:{PORT} ssl http2"),
        more=f"ssl_certificate {certificate}/cert.pem; ssl_certificate_key {certificate}/key.pem;"
        "ssl_protocols TLSv1.2 TLSv1.3;",
    )
    net.server.wait_open(PORT)


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_curl_and_nginx(probe: Probe, net: Link, tmp_path: Path, certificate: Path, family: str) -> None:
    serve(net, tmp_path, certificate)
    client, server = net.ends(family)
    host = f"[{server}]" if family == "v6" else server
    for options in (["--http1.1"], ["--tls-max", "1.2", "--http1.1"], ["--http2"]):
        for _ in range(5):
            net.client.run("curl", "-sSk", *options, "--connect-to", f"tls.test:443:{host}:{PORT}", "https://tls.test/")
    flows = {"local_ip": client, "protocol": "tls", "name": "tls.test", "evidence": "sni", "port": PORT}
    probe.shows_sums({"opened": 15, "closed": 15}, **flows)
    probe.shows_sums({"closed": 15}, local_ip=server, protocol="tls")
    (flow,) = probe.flows(**flows)
    assert (flow.tls_version, flow.alpn) == ("1.3", "h2")
    assert not probe.ops(local_ip=client)


@pytest.mark.parametrize("version, shown", [("-tls1_2", "1.2"), ("-tls1_3", "1.3")])
@pytest.mark.parametrize(
    "alpn, first", [("h2,http/1.1", "h2"), ("http/1.1", "http/1.1"), ("x-private", "other"), ("", "")]
)
def test_what_the_client_offers(
    probe: Probe, net: Link, certificate: Path, version: str, shown: str, alpn: str, first: str
) -> None:
    net.server.start(
        "openssl", "s_server", "-accept", str(PORT), "-key", f"{certificate}/key.pem", "-cert",
        f"{certificate}/cert.pem", "-quiet", "-naccept", "3", "-alpn", "h2,http/1.1,x-private",
    )  # fmt: skip
    net.server.wait_open(PORT)
    offer = ["-alpn", alpn] if alpn else []
    for _ in range(3):
        net.client.run(
            "openssl", "s_client", "-connect", f"{net.server4}:{PORT}", "-servername", "offer.test", version, *offer
        )
    flows = {"local_ip": net.client4, "name": "offer.test", "evidence": "sni"}
    probe.shows_sums({"opened": 3, "closed": 3}, **flows)
    (flow,) = probe.flows(**flows)
    assert (flow.labels.protocol, flow.tls_version, flow.alpn) == ("tls", shown, first)


@pytest.mark.parametrize("step", [1, 50, 1400])
def test_hello_in_pieces(probe: Probe, net: Link, step: int) -> None:
    """A ClientHello as long as post-quantum ones are, in many segments; the name comes last."""
    hello = client_hello("pieces.test", padding=1800)
    with net.connection(PORT) as (client, server):
        for at in range(0, len(hello), step):
            client.sendall(hello[at : at + step])
        left = len(hello)
        while left:
            left -= len(server.recv(left))
        server.sendall(b"\x15\x03\x03\x00\x02\x02\x28")
        client.recv(10)
    flows = {"local_ip": net.client4, "name": "pieces.test", "evidence": "sni", "protocol": "tls"}
    probe.shows_sums({"opened": 1}, **flows)
    (flow,) = probe.flows(**flows)
    assert (flow.tls_version, flow.alpn) == ("1.3", "http/1.1")


def test_no_name(probe: Probe, net: Link) -> None:
    """A client that names nobody is shown by the address."""
    with net.connection(PORT) as (client, server):
        client.sendall(client_hello("", padding=0))
        server.recv(1000)
    probe.shows_sums({"opened": 1}, local_ip=net.client4, protocol="tls", name="")


def client_hello(name: str, padding: int) -> bytes:
    """RFC 8446 section 4.1.2; extensions: padding, version, ALPN, name."""

    def block(size: int, data: bytes) -> bytes:
        return len(data).to_bytes(size, "big") + data

    def extension(number: int, data: bytes) -> bytes:
        return number.to_bytes(2, "big") + block(2, data)

    extensions = extension(21, bytes(padding)) if padding else b""
    extensions += extension(43, block(1, b"\x03\x04\x03\x03")) + extension(16, block(2, block(1, b"http/1.1")))
    if name:
        extensions += extension(0, block(2, b"\x00" + block(2, name.encode())))
    body = (
        b"\x03\x03" + bytes(32) + block(1, bytes(32)) + block(2, b"\x13\x01") + block(1, b"\0") + block(2, extensions)
    )
    return b"\x16\x03\x01" + block(2, b"\x01" + block(3, body))
