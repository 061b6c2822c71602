"""What the replay derives of sockets, from packets made here: handshakes, ends, roles, clocks, bounds."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kindling.model import FlowRow, Snapshot
from unit.capture.replayed import replay

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


@dataclass
class Trace:
    """A pcap file of raw IPv4 packets in the making."""

    now: float = 1_700_000_000.0
    packets: list[bytes] = field(default_factory=list)
    seq: dict[tuple[str, int, str, int], int] = field(default_factory=dict)

    def ip(self, source: str, target: str, protocol: int, body: bytes) -> None:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), len(self.packets) & 0xFFFF, 0, 64, protocol, 0)
        packet = head + socket.inet_aton(source) + socket.inet_aton(target) + body
        seconds = int(self.now)
        micros = round((self.now - seconds) * 1e6)
        self.packets.append(struct.pack("<4I", seconds, micros, len(packet), len(packet)) + packet)

    def tcp(self, source: tuple[str, int], target: tuple[str, int], flags: int, data: bytes = b"") -> None:
        key, back = (*source, *target), (*target, *source)
        seq = self.seq.get(key, 1000)
        ports = struct.pack("!HH", source[1], target[1])
        head = struct.pack("!IIBBHHH", seq, self.seq.get(back, 0), 5 << 4, flags, 65535, 0, 0)
        self.ip(source[0], target[0], 6, ports + head + data)
        self.seq[key] = seq + len(data) + bool(flags & (SYN | FIN))

    def udp(self, source: tuple[str, int], target: tuple[str, int], data: bytes) -> None:
        self.ip(source[0], target[0], 17, struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0) + data)

    def handshake(self, client: tuple[str, int], server: tuple[str, int]) -> None:
        self.tcp(client, server, SYN)
        self.tcp(server, client, SYN | ACK)
        self.tcp(client, server, ACK)

    def close(self, client: tuple[str, int], server: tuple[str, int]) -> None:
        self.tcp(client, server, FIN | ACK)
        self.tcp(server, client, FIN | ACK)
        self.tcp(client, server, ACK)

    def replay(self, tmp_path: Path) -> Snapshot:
        path = tmp_path / "trace.pcap"
        path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + b"".join(self.packets))
        return replay(path)


@pytest.fixture
def trace() -> Trace:
    return Trace()


A, B = (CLIENT, 40000), (SERVER, 80)


def rows(snapshot: Snapshot, role: str) -> list[FlowRow]:
    return [row for row in snapshot.flows if row.labels.role == role]


def total(snapshot: Snapshot, role: str, counter: str) -> int:
    return sum(getattr(row, counter) for row in rows(snapshot, role))


def failed(snapshot: Snapshot) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in snapshot.flows:
        for reason, count in row.failed.items():
            if count:
                found[reason] = found.get(reason, 0) + count
    return found


def test_connection(trace: Trace, tmp_path: Path) -> None:
    trace.handshake(A, B)
    trace.now += 2
    trace.close(A, B)
    snapshot = trace.replay(tmp_path)
    for role in ("client", "server"):
        assert total(snapshot, role, "opened") == total(snapshot, role, "closed") == 1
        assert total(snapshot, role, "duration_ns") == pytest.approx(2e9)
    assert not failed(snapshot)


def test_same_ports_again(trace: Trace, tmp_path: Path) -> None:
    for _ in range(3):
        trace.handshake(A, B)
        trace.close(A, B)
        trace.now += 1
    trace.handshake(A, B)
    trace.handshake(A, B)  # the end of the one before was not captured
    trace.close(A, B)
    snapshot = trace.replay(tmp_path)
    assert total(snapshot, "client", "opened") == total(snapshot, "server", "opened") == 5
    assert total(snapshot, "client", "closed") == 5


def test_no_answer_in_two_minutes(trace: Trace, tmp_path: Path) -> None:
    trace.tcp(A, B, SYN)
    trace.now += 121
    trace.udp((CLIENT, 5), (SERVER, 6), b"time goes by")
    assert failed(trace.replay(tmp_path)) == {"timeout": 1}


def test_no_answer_at_the_end(trace: Trace, tmp_path: Path) -> None:
    """An answer that could still come is no failure."""
    trace.tcp(A, B, SYN)
    trace.now += 0.5
    trace.udp((CLIENT, 5), (SERVER, 6), b"")
    assert not failed(trace.replay(tmp_path))
    trace.now += 3
    trace.udp((CLIENT, 5), (SERVER, 6), b"")
    assert failed(trace.replay(tmp_path)) == {"timeout": 1}


def test_reset_by_the_client(trace: Trace, tmp_path: Path) -> None:
    trace.handshake(A, B)
    trace.tcp(A, B, PSH | ACK, b"hello")
    trace.tcp(A, B, RST | ACK)
    trace.tcp(B, A, PSH | ACK, b"too late")
    snapshot = trace.replay(tmp_path)
    assert total(snapshot, "client", "closed_reset") == total(snapshot, "server", "closed_reset") == 1
    assert total(snapshot, "client", "resets_out") == total(snapshot, "server", "resets_in") == 1
    assert total(snapshot, "client", "bytes_out") == 5
    assert total(snapshot, "client", "bytes_in") == 0


@pytest.mark.parametrize(
    ("source", "target", "data", "client"),
    [
        ((CLIENT, 40000), (SERVER, 443), b"\x17\x03\x03", CLIENT),
        ((SERVER, 443), (CLIENT, 40000), b"\x17\x03\x03", CLIENT),
        ((CLIENT, 50000), (SERVER, 40000), b"GET / HTTP/1.1\r\n\r\n", CLIENT),
        ((SERVER, 50000), (CLIENT, 40000), b"HTTP/1.1 200 OK\r\n\r\n", CLIENT),
        ((SERVER, 8080), (CLIENT, 40000), b"?", CLIENT),
        ((CLIENT, 50000), (SERVER, 40000), b"?", CLIENT),
    ],
)
def test_role_of_a_connection_joined_midway(
    trace: Trace, tmp_path: Path, source: tuple[str, int], target: tuple[str, int], data: bytes, client: str
) -> None:
    trace.tcp(source, target, PSH | ACK, data)
    trace.tcp(target, source, ACK)
    snapshot = trace.replay(tmp_path)
    assert [row.labels.local_ip for row in rows(snapshot, "client")] == [client]
    assert all(row.labels.inferred for row in snapshot.flows)


def test_bare_acknowledgements_open_nothing(trace: Trace, tmp_path: Path) -> None:
    trace.tcp(A, B, ACK)
    trace.tcp(B, A, ACK)
    trace.tcp(B, A, RST)
    assert not trace.replay(tmp_path).flows


def test_syn_was_not_captured(trace: Trace, tmp_path: Path) -> None:
    trace.seq[A + B] = 1001
    trace.tcp(B, A, SYN | ACK)
    trace.tcp(A, B, ACK)
    trace.tcp(A, B, PSH | ACK, b"hello")
    snapshot = trace.replay(tmp_path)
    assert total(snapshot, "client", "opened") + total(snapshot, "client", "active") > 0
    assert total(snapshot, "client", "bytes_out") == 5


def test_udp_socket_is_quiet(trace: Trace, tmp_path: Path) -> None:
    for _ in range(2):
        trace.udp((CLIENT, 5000), (SERVER, 6000), b"ping")
        trace.udp((SERVER, 6000), (CLIENT, 5000), b"pong!")
        trace.now += 61
    trace.udp((CLIENT, 5001), (SERVER, 6001), b"last")
    snapshot = trace.replay(tmp_path)
    row = next(row for row in rows(snapshot, "client") if row.labels.port == 6000)
    assert (row.opened, row.closed) == (2, 2)
    assert (row.bytes_out, row.bytes_in, row.packets_out) == (8, 10, 2)


def test_clock_that_steps(trace: Trace, tmp_path: Path) -> None:
    """Another capture's clock, an hour back and years ahead: durations stay what they are."""
    trace.handshake(A, B)
    trace.now -= 3600
    trace.tcp(A, B, PSH | ACK, b"x")
    trace.now += 1
    trace.tcp(A, B, PSH | ACK, b"x")
    trace.now += 10 * 365 * 86400
    trace.tcp(A, B, PSH | ACK, b"x")
    trace.now += 1
    trace.close(A, B)
    snapshot = trace.replay(tmp_path)
    assert total(snapshot, "client", "duration_ns") == pytest.approx(2e9)


def test_more_conversations_than_there_is_room_for(trace: Trace, tmp_path: Path) -> None:
    """65,536 at one time; what is forgotten before its end is counted, as lost."""
    for i in range(66_000):
        trace.tcp((f"10.1.{i >> 14}.1", 1024 + (i & 0x3FFF)), B, SYN)
    snapshot = trace.replay(tmp_path)
    assert snapshot.lost["storage"] == 66_000 - 65_536
