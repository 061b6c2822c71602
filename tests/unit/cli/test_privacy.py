"""What `kindling check --privacy` claims, held against captures full of secrets."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from kindling.cli.main import run

pytest.importorskip("kindling.capture.native")

REQUEST = (
    b"POST /users/4711/orders?token=q-s3cret HTTP/1.1\r\nHost: shop.example.test\r\nCookie: id=cookie-s3cret\r\n"
    b"Authorization: Bearer bearer-s3cret\r\nUser-Agent: agent-s3cret\r\nReferer: http://x/?referer-s3cret\r\n"
    b"Content-Length: 11\r\n\r\nbody-s3cret"
)
ANSWER = b"HTTP/1.1 500 Oops\r\nSet-Cookie: cookie-s3cret\r\nContent-Length: 13\r\n\r\nanswer-s3cret"

CLIENT, SERVER = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
SYN, ACK, FIN, PUSH = 2, 16, 1, 8


def _segment(outward: bool, seq: int, ack: int, flags: int, data: bytes = b"") -> bytes:
    """A packet of raw IPv4 (checksums are not looked at)."""
    source, target = (CLIENT, SERVER) if outward else (SERVER, CLIENT)
    ports = (40_000, 80) if outward else (80, 40_000)
    tcp = struct.pack(">HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 65_535, 0, 0) + data
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), seq & 0xFFFF, 0, 64, 6, 0, source, target)
    return head + tcp


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """One request with an answer, with secrets wherever people put them."""
    after, answered = 101 + len(REQUEST), 501 + len(ANSWER)
    packets = [
        _segment(True, 100, 0, SYN),
        _segment(False, 500, 101, SYN | ACK),
        _segment(True, 101, 501, ACK),
        _segment(True, 101, 501, ACK | PUSH, REQUEST),
        _segment(False, 501, after, ACK | PUSH, ANSWER),
        _segment(True, after, answered, ACK | FIN),
        _segment(False, answered, after + 1, ACK | FIN),
        _segment(True, after + 1, answered + 1, ACK),
    ]
    path = tmp_path / "secrets.pcap"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)  # LINKTYPE_RAW
    records = (
        struct.pack("<IIII", 1_700_000_000, n * 1_000, len(packet), len(packet)) + packet
        for n, packet in enumerate(packets)
    )
    path.write_bytes(head + b"".join(records))
    return path


@pytest.mark.parametrize("output", ["json", "ndjson", "table"])
def test_no_secret_leaves(output: str, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(capture), "-o", output]) == 0
    out = capsys.readouterr().out
    assert "shop.example.test" in out, "the request was read"
    assert "/users/*/orders" in out
    assert "s3cret" not in out


def test_single_requests_show_the_path_as_sent(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(capture), "--table", "events", "-o", "json"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert {event["request"] for event in events} == {"POST /users/4711/orders"}


def test_the_page_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--privacy"]) == 0
    out = capsys.readouterr().out
    for word in ("query strings", "Host", "SNI", "bodies", "command lines", "path as sent", "DNS"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 100


def test_sizes_are_those_of_the_probe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--privacy", "-o", "json"]) == 0
    items = {item["what"]: item for item in json.loads(capsys.readouterr().out)["items"]}
    header = (Path(__file__).parents[3] / "bpf" / "types.h").read_text(encoding="ascii")
    assert f"#define NAME_TEXT {items['HTTP Host']['bytes']}\n" in header
    assert f"#define EVENT_HEAD_BYTES {items['single slow or failed requests']['bytes']}\n" in header
    assert f"#define EVENT_DNS_BYTES {items['DNS answers']['bytes']}\n" in header
    assert {item["kept"] for item in items.values()} == {"kept", "in the kernel", "never"}
