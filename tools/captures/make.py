"""Makes the captures in tests/captures with real programs. Usage: make.py [NAME...]

Needs root, iproute2, ethtool, tcpdump, nginx, curl, dnsmasq, dig, openssl, ab, wrk, editcap.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import clients
import rewrite
from lab import NOBODY4, SERVER4, SERVER6, Lab, Wire, carry_tunnel, has_payload, run

CAPTURES = Path(__file__).resolve().parents[2] / "tests" / "captures"
SERVERS = Path(__file__).with_name("servers.py")
LAB = Lab()

Scenario = Callable[[], None]
SCENARIOS: dict[str, Scenario] = {}


def scenario(work: Scenario) -> Scenario:
    SCENARIOS[work.__name__] = work
    return work


def file_of(name: str, suffix: str = "pcap") -> Path:
    return CAPTURES / f"{name}.{suffix}"


@contextlib.contextmanager
def capture(name: str, *options: str, only: str = "", link: str = "c0", namespace: str = "") -> Iterator[None]:
    path = file_of(name)
    path.unlink(missing_ok=True)
    with LAB.capture(path, *options, only=only, link=link, namespace=namespace):
        yield


@contextlib.contextmanager
def wire(wire: Wire) -> Iterator[None]:
    LAB.set_wire(wire)
    try:
        yield
    finally:
        LAB.set_wire(Wire())


def curl(*words: str) -> None:
    LAB.call("curl", "-s", "-m", "20", *words)


def dig(*words: str) -> None:
    LAB.call("dig", "+tries=1", "+timeout=2", *words)


def openssl(*words: str, stdin: bytes = b"GET / HTTP/1.0\r\n\r\n") -> None:
    LAB.call("timeout", "2", "openssl", "s_client", "-quiet", "-no_ign_eof", *words, stdin=stdin)


HTTP = f"http://{SERVER4}"

# --- HTTP ------------------------------------------------------------------------------------------


@scenario
def http_get() -> None:
    with capture("http_get"):
        curl(f"{HTTP}/index.html")


@scenario
def http_keepalive() -> None:
    with capture("http_keepalive"):
        curl(f"{HTTP}/index.html", f"{HTTP}/users/123", f"{HTTP}/missing", f"{HTTP}/index.html?q=1")


@scenario
def http_ipv6() -> None:
    with capture("http_ipv6"):
        curl(f"http://[{SERVER6}]/index.html", f"http://[{SERVER6}]/users/9")


@scenario
def http_head() -> None:
    with capture("http_head"):
        curl("-I", f"{HTTP}/index.html", "--next", "-s", f"{HTTP}/index.html")


@scenario
def http_methods() -> None:
    with capture("http_methods"):
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
            curl("-X", method, "-d", "a=1", f"{HTTP}:8000/items/7")


@scenario
def http_continue() -> None:
    with capture("http_continue"):
        curl("-H", "Expect: 100-continue", "--data-binary", "x" * 3000, f"{HTTP}:8000/upload", f"{HTTP}:8000/after")


@scenario
def http_chunked() -> None:
    with capture("http_chunked"):
        curl(f"{HTTP}:8000/chunked", f"{HTTP}:8000/after")


@scenario
def http_chunked_request() -> None:
    with capture("http_chunked_request"):
        LAB.call("curl", "-s", "-H", "Transfer-Encoding: chunked", "-T", "-", f"{HTTP}/put/file", stdin=b"line\n" * 100)


@scenario
def http_pipelining() -> None:
    with capture("http_pipelining"), LAB.inside(LAB.client):
        clients.pipelined(SERVER4, 80, 5)


@scenario
def http_pipelining_many() -> None:
    with capture("http_pipelining_many"), LAB.inside(LAB.client):
        clients.pipelined(SERVER4, 80, 30)


@scenario
def http_split_bytes() -> None:
    with capture("http_split_bytes"), LAB.inside(LAB.client):
        clients.byte_by_byte(SERVER4, 8000, b"GET /drip HTTP/1.1\r\nHost: drip.example\r\n\r\n")


@scenario
def http_split_head() -> None:
    with capture("http_split_head"), LAB.inside(LAB.client):
        clients.in_pieces(
            SERVER4,
            80,
            [b"GET /index", b".html HTTP/1.1\r\nHo", b"st: split.example\r\nX-Long: " + b"y" * 2000, b"\r\n\r", b"\n"],
        )


@scenario
def http_long_head() -> None:
    with capture("http_long_head"):
        curl("-H", "Cookie: " + "c" * 6000, "-H", "X-After: 1", f"{HTTP}/users/1", f"{HTTP}/index.html")


@scenario
def http_large_body() -> None:
    with capture("http_large_body"):
        curl(f"{HTTP}/large.bin", f"{HTTP}/index.html")


@scenario
def http_snapped() -> None:
    with capture("http_snapped", "-s", "400"):
        curl(f"{HTTP}/large.bin", f"{HTTP}/index.html")


@scenario
def http_upload() -> None:
    with capture("http_upload"):
        curl("-T", str(LAB.scratch / "www" / "medium.bin"), f"{HTTP}/put/upload", f"{HTTP}/put/again")


@scenario
def http_10_close() -> None:
    with capture("http_10_close"):
        curl("-0", f"{HTTP}:8000/close")


@scenario
def http_upgrade() -> None:
    with capture("http_upgrade"), LAB.inside(LAB.client):
        clients.upgraded(SERVER4, 8000)


@scenario
def http_connect() -> None:
    with capture("http_connect"), LAB.inside(LAB.client):
        clients.tunnelled(SERVER4, 8000)


@scenario
def http_deferred() -> None:
    with capture("http_deferred"):
        curl(f"{HTTP}:8001/deferred")


@scenario
def http_errors() -> None:
    with capture("http_errors"):
        curl(f"{HTTP}:8000/error", f"{HTTP}:8000/drop", f"{HTTP}:8000/ok")


@scenario
def http_slow() -> None:
    with capture("http_slow"):
        curl(f"{HTTP}:8000/slow")


@scenario
def http_ab() -> None:
    with capture("http_ab"):
        LAB.call("ab", "-n", "40", "-c", "4", "-k", f"{HTTP}/users/42")


@scenario
def http_ab_short() -> None:
    with capture("http_ab_short"):
        LAB.call("ab", "-n", "12", "-c", "3", f"{HTTP}/index.html")


@scenario
def http_wrk() -> None:
    with capture("http_wrk"):
        LAB.call("wrk", "-d", "1", "-c", "2", "-t", "1", f"{HTTP}:8000/wait/7")


@scenario
def http_midstream() -> None:
    """The capture begins when the connection is open."""
    with LAB.inside(LAB.client):
        connection = clients.open_and_ask(SERVER4, 80)
    with capture("http_midstream"), LAB.inside(LAB.client):
        clients.ask_again(connection, 3)


# --- a wire that loses, doubles, swaps -----------------------------------------------------------------


def payload_rule(every: int, delays: list[float]) -> Callable[[int, bytes], list[float]]:
    seen = 0

    def rule(_number: int, frame: bytes) -> list[float]:
        nonlocal seen
        if not has_payload(frame):
            return [0.0]
        seen += 1
        return delays if seen % every == 2 % every else [0.0]

    return rule


@scenario
def wire_loss() -> None:
    with wire(Wire(to_server=payload_rule(3, []), to_client=payload_rule(7, []))), capture("wire_loss"):
        curl(f"{HTTP}/index.html", f"{HTTP}/medium.bin", f"{HTTP}/users/5")


@scenario
def wire_reorder() -> None:
    with wire(Wire(to_client=payload_rule(4, [0.004]))), capture("wire_reorder"):
        curl(f"{HTTP}/medium.bin", f"{HTTP}/index.html", f"{HTTP}:8000/drip")


@scenario
def wire_reorder_server() -> None:
    """Seen at the server, behind the wire: the pieces of a request head come in the wrong order."""
    with (
        wire(Wire(to_server=payload_rule(3, [0.003]))),
        capture("wire_reorder_server", link="s0", namespace=LAB.server),
    ):
        curl("-H", "Cookie: " + "c" * 5000, f"{HTTP}/users/8", f"{HTTP}/index.html")


@scenario
def wire_duplicate() -> None:
    twice = payload_rule(1, [0.0, 0.001])
    with wire(Wire(twice, twice)), capture("wire_duplicate", link="s0", namespace=LAB.server):
        curl(f"{HTTP}/index.html", f"{HTTP}/users/77", f"{HTTP}/index.html")


@scenario
def wire_delay() -> None:
    def late(_number: int, _frame: bytes) -> list[float]:
        return [0.05]

    with wire(Wire(late, late)), capture("wire_delay"):
        curl(f"{HTTP}/index.html")


@scenario
def wire_syn_loss() -> None:
    def rule(number: int, _frame: bytes) -> list[float]:
        return [] if number == 0 else [0.0]

    LAB.ip(LAB.client, "neigh", "replace", SERVER4, "lladdr", mac_of(LAB.server, "s0"), "dev", "c0")
    with wire(Wire(to_server=rule)), capture("wire_syn_loss"):
        curl(f"{HTTP}/index.html")


def mac_of(namespace: str, link: str) -> str:
    command = ["ip", "netns", "exec", namespace, "cat", f"/sys/class/net/{link}/address"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# --- DNS ----------------------------------------------------------------------------------------------


@scenario
def dns_a() -> None:
    with capture("dns_a"):
        dig(f"@{SERVER4}", "www.example.test", "A")
        dig(f"@{SERVER4}", "WWW.Example.test", "AAAA")


@scenario
def dns_cname() -> None:
    with capture("dns_cname"):
        dig(f"@{SERVER4}", "shop.example.test", "A")


@scenario
def dns_nxdomain() -> None:
    with capture("dns_nxdomain"):
        dig(f"@{SERVER4}", "nowhere.example.test", "A")
        dig(f"@{SERVER4}", "refused.example.org", "MX")


@scenario
def dns_tcp() -> None:
    with capture("dns_tcp"):
        dig(
            "+tcp",
            f"@{SERVER4}",
            "www.example.test",
            "A",
            "shop.example.test",
            "A",
            "+keepopen",
            "nowhere.example.test",
            "A",
        )


@scenario
def dns_tcp_split() -> None:
    with capture("dns_tcp_split"), LAB.inside(LAB.client):
        clients.dns_in_pieces(SERVER4)


@scenario
def dns_https() -> None:
    with capture("dns_https"):
        dig(f"@{SERVER4}", "www.example.test", "HTTPS")


@scenario
def dns_ipv6() -> None:
    with capture("dns_ipv6"):
        dig(f"@{SERVER6}", "www.example.test", "A")


@scenario
def dns_ipv6_options() -> None:
    with capture("dns_ipv6_options"), LAB.inside(LAB.client):
        clients.dns_with_destination_options(SERVER6)


@scenario
def dns_unanswered() -> None:
    with capture("dns_unanswered"):
        dig("-p", "5300", f"@{SERVER4}", "lost.example.test", "A")
        dig("+tries=2", "+timeout=1", f"@{NOBODY4}", "silent.example.test", "A")


@scenario
def dns_parallel() -> None:
    with capture("dns_parallel"), LAB.inside(LAB.client):
        clients.dns_parallel(SERVER4, 12)


@scenario
def dns_fragments() -> None:
    with capture("dns_fragments"):
        dig("+bufsize=4096", "+ignore", f"@{SERVER4}", "big.example.test", "TXT")


# --- TLS ----------------------------------------------------------------------------------------------


@scenario
def tls_12() -> None:
    with capture("tls_12"):
        openssl("-tls1_2", "-servername", "old.example", "-connect", f"{SERVER4}:443")


@scenario
def tls_13() -> None:
    with capture("tls_13"):
        openssl("-tls1_3", "-servername", "new.example", "-alpn", "h2,http/1.1", "-connect", f"{SERVER4}:443")


@scenario
def tls_curl() -> None:
    with capture("tls_curl"):
        curl("-k", "--resolve", f"shop.example:443:{SERVER4}", "https://shop.example/index.html")


@scenario
def tls_no_name() -> None:
    with capture("tls_no_name"):
        openssl("-noservername", "-connect", f"{SERVER4}:443")


@scenario
def tls_long_hello() -> None:
    """As long as a post-quantum hello (two segments), from openssl: many protocols before the server name ends."""
    protocols = ",".join(f"experimental-protocol-number-{i:03}" for i in range(60)) + ",http/1.1"
    with capture("tls_long_hello"):
        openssl("-servername", "long.example", "-alpn", protocols, "-connect", f"{SERVER4}:443")


@scenario
def tls_split_hello() -> None:
    with capture("tls_split_hello"), LAB.inside(LAB.client):
        clients.hello_in_pieces(SERVER4, 443, "split.example")


@scenario
def tls_post_quantum() -> None:
    with capture("tls_post_quantum"), LAB.inside(LAB.client):
        clients.post_quantum_hello(SERVER4, 443, "quantum.example")


# --- connections --------------------------------------------------------------------------------------


@scenario
def tcp_refused() -> None:
    with capture("tcp_refused"):
        curl(f"{HTTP}:81/")
        curl(f"http://[{SERVER6}]:81/")


@scenario
def tcp_unreachable() -> None:
    """A router (here the server) says that there is no way to the host, or that it must not be reached."""
    LAB.ip(LAB.server, "route", "add", "unreachable", "10.10.0.5")
    LAB.ip(LAB.server, "route", "add", "prohibit", "10.10.0.6")
    LAB.ip(LAB.client, "route", "add", "10.10.0.0/24", "via", SERVER4)
    run("ip", "netns", "exec", LAB.server, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    with capture("tcp_unreachable", only="tcp or icmp"):
        curl("http://10.10.0.5/", "http://10.10.0.6:8080/")


@scenario
def tcp_timeout() -> None:
    with capture("tcp_timeout"):
        LAB.call("curl", "-s", "--connect-timeout", "4", f"http://{NOBODY4}/")


@scenario
def tcp_reset() -> None:
    with capture("tcp_reset"):
        curl(f"{HTTP}:8004/reset")


@scenario
def tcp_half_close() -> None:
    with capture("tcp_half_close"), LAB.inside(LAB.client):
        clients.half_close(SERVER4, 8003)


@scenario
def tcp_unknown() -> None:
    with capture("tcp_unknown"), LAB.inside(LAB.client):
        clients.talk(SERVER4, 8002, [b"*1\r\n$4\r\nPING\r\n", b"\x00\x01\x02" * 50])


@scenario
def ntp() -> None:
    with capture("ntp"), LAB.inside(LAB.client):
        clients.ntp(SERVER4)


# --- link types and files --------------------------------------------------------------------------------


@scenario
def link_vlan() -> None:
    """Made of http_get (needs to be there): many kernels have no VLAN devices."""
    rewrite.tagged(file_of("http_get"), file_of("link_vlan"), [(0x8100, 7)])


@scenario
def link_qinq() -> None:
    rewrite.tagged(file_of("dns_a"), file_of("link_qinq"), [(0x88A8, 100), (0x8100, 7)])


@scenario
def link_cooked() -> None:
    with capture("link_cooked", "-y", "LINUX_SLL", link="any"):
        curl(f"{HTTP}/index.html")


@scenario
def link_copies() -> None:
    """Seen by who forwards: each packet comes in at one link and goes out at the other."""
    with capture("link_copies", "-y", "LINUX_SLL2", link="any", namespace=LAB.prefix + "m"):
        curl(f"{HTTP}/users/5")
        dig(f"@{SERVER4}", "www.example.test", "A")


@scenario
def link_cooked_v2() -> None:
    with capture("link_cooked_v2", "-y", "LINUX_SLL2", link="any"):
        curl(f"http://[{SERVER6}]/index.html")
        dig(f"@{SERVER4}", "www.example.test", "A")


@scenario
def link_raw() -> None:
    """Through a tunnel: packets without a link header."""
    ends = ((LAB.client, "t0", "10.9.8.1"), (LAB.server, "t1", "10.9.8.2"))
    carrier = carry_tunnel([(namespace, link) for namespace, link, _ in ends])
    for namespace, link, address in ends:
        LAB.ip(namespace, "addr", "add", f"{address}/24", "dev", link)
        LAB.ip(namespace, "link", "set", link, "up")
    with capture("link_raw", link="t0"):
        curl("http://10.9.8.2/index.html")
    os.kill(carrier, signal.SIGKILL)
    os.waitpid(carrier, 0)


@scenario
def link_loopback() -> None:
    """A capture of another system's loopback: made of http_get, which needs to be there."""
    rewrite.as_loopback(file_of("http_get"), file_of("link_loopback"))


@scenario
def file_big_endian() -> None:
    rewrite.swapped(file_of("http_keepalive"), file_of("file_big_endian"))


@scenario
def file_pcapng() -> None:
    target = file_of("file_pcapng", "pcapng")
    run("editcap", "-F", "pcapng", str(file_of("http_keepalive")), str(target))


@scenario
def file_pcapng_gz() -> None:
    """Two sections of different byte order and time resolution, several interfaces, packed."""
    data = rewrite.pcapng_of([file_of("http_get"), file_of("dns_cname")], order="<", resolution=9)
    data += rewrite.pcapng_of([file_of("tls_13")], order=">", resolution=6)
    file_of("file_pcapng_gz", "pcapng.gz").write_bytes(gzip.compress(data, mtime=0))


@scenario
def file_nanoseconds_gz() -> None:
    source = LAB.scratch / "nano.pcap"
    source.unlink(missing_ok=True)
    with LAB.capture(source, "--time-stamp-precision=nano"):
        curl(f"{HTTP}/index.html")
    file_of("file_nanoseconds_gz", "pcap.gz").write_bytes(gzip.compress(source.read_bytes(), mtime=0))


# --- servers --------------------------------------------------------------------------------------------

NGINX = """
daemon off; worker_processes 1; error_log /dev/null; pid {scratch}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/f; uwsgi_temp_path {scratch}/u; scgi_temp_path {scratch}/sc;
    server {{
        listen 80; listen [::]:80; listen 443 ssl; ssl_protocols TLSv1.2 TLSv1.3; root {scratch}/www;
        ssl_certificate {scratch}/cert.pem; ssl_certificate_key {scratch}/key.pem;
        location /users/ {{ return 200 "a user\\n"; }}
        location /put/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
    }}
}}
"""

# www.example.test HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.10
HTTPS_RECORD = "000100" + "00010006" + "026832026833" + "00040004" + "c000020a"


def start_servers() -> None:
    scratch = LAB.scratch
    (scratch / "www" / "put").mkdir(parents=True, exist_ok=True)
    (scratch / "www" / "index.html").write_bytes(b"<html>hello</html>\n")
    (scratch / "www" / "medium.bin").write_bytes(bytes(range(256)) * 80)
    (scratch / "www" / "large.bin").write_bytes(bytes(range(256)) * 400)
    subprocess.run(["chmod", "-R", "a+rwX", str(scratch)], check=True)
    (scratch / "nginx.conf").write_text(NGINX.format(scratch=scratch))
    run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=shop.example",
        "-keyout",
        str(scratch / "key.pem"),
        "-out",
        str(scratch / "cert.pem"),
    )
    LAB.spawn(LAB.server, "nginx", "-c", str(scratch / "nginx.conf"), "-e", "/dev/null")
    LAB.spawn(
        LAB.server,
        "dnsmasq",
        "-k",
        "-C",
        "/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--pid-file=",
        "--edns-packet-max=4096",
        "--local=/example.test/",
        "--host-record=www.example.test,192.0.2.10,2001:db8::10,300",
        "--host-record=real.example.test,192.0.2.20,600",
        "--cname=web.example.test,real.example.test,60",
        "--cname=shop.example.test,web.example.test,30",
        f"--dns-rr=www.example.test,65,{HTTPS_RECORD}",
        *[f"--txt-record=big.example.test,{i:03}{'t' * 200}" for i in range(12)],
    )
    for kind, port in (
        ("http", 8000),
        ("deferred", 8001),
        ("echo", 8002),
        ("half", 8003),
        ("reset", 8004),
        ("ntp", 123),
        ("swallow", 5300),
    ):
        LAB.spawn(LAB.server, sys.executable, str(SERVERS), kind, SERVER4, str(port))
    time.sleep(1)


def main() -> None:
    for program in ("tcpdump", "nginx", "dnsmasq", "dig", "curl", "openssl", "ab", "wrk", "editcap", "ethtool"):
        if not shutil.which(program):
            sys.exit(f"{program} is missing")
    CAPTURES.mkdir(parents=True, exist_ok=True)
    LAB.up()
    try:
        start_servers()
        for name in sys.argv[1:] or SCENARIOS:
            SCENARIOS[name]()
            print(name, *(f"{path.stat().st_size} bytes" for path in CAPTURES.glob(f"{name}.pcap*")))
    finally:
        LAB.down()


if __name__ == "__main__":
    main()
