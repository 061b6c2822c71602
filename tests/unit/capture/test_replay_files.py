"""Files that are broken, cut off, packed or no captures at all: what can be read is read, and the rest is said."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.capture.native import Engine
from kindling.capture.replay import ReplaySource
from kindling.errors import CaptureError, KindlingError
from unit.capture.replayed import CAPTURES, replay
from unit.capture.test_replay_golden import lines

HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def read(path: Path) -> tuple[int, CaptureError | None]:
    """Packets read, and the fault."""
    with ReplaySource.open(path) as source:
        source.fill()
        return source.counts().packets, source.fault


def written(tmp_path: Path, data: bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["http_get.pcap", "file_pcapng.pcapng", "file_big_endian.pcap"])
def test_truncated(tmp_path: Path, name: str) -> None:
    data = (CAPTURES / name).read_bytes()
    whole, _ = read(CAPTURES / name)
    packets, fault = read(written(tmp_path, data[:-5]))
    assert packets == whole - 1
    assert fault is not None
    assert "ends in the middle of a record" in str(fault)
    assert f"after {packets} packets" in str(fault)
    assert fault.exit_code == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\xd4", "neither pcap nor pcapng"),
        (b"PK\x03\x04 no capture at all", "neither pcap nor pcapng"),
        (HEAD + struct.pack("<4I", 1, 1, 1 << 30, 1 << 30), "longer than 16 MiB, at byte 24"),
        (HEAD[:20], "ends in the middle of a record"),
        (struct.pack("<III", 0x0A0D0D0A, 28, 1), "no byte order mark"),
        (
            struct.pack("<IIIHHq", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1)[:24]
            + struct.pack("<I", 28)
            + b"\6\0\0\0\5\0\0\0",
            "impossible",
        ),
    ],
)
def test_broken(tmp_path: Path, data: bytes, message: str) -> None:
    packets, fault = read(written(tmp_path, data))
    assert packets == 0
    assert fault is not None
    assert message in str(fault)


def test_unknown_link(tmp_path: Path) -> None:
    head = HEAD[:20] + struct.pack("<I", 147)
    _, fault = read(written(tmp_path, head + struct.pack("<4I", 1, 1, 4, 4) + b"abcd"))
    assert fault is not None
    assert "none of a link type that can be read" in str(fault)


def test_missing() -> None:
    with pytest.raises(CaptureError, match="no such file"):
        ReplaySource.open(Path("/nowhere/at.all"))


def test_gzip_gives_the_same(tmp_path: Path) -> None:
    data = (CAPTURES / "http_keepalive.pcap").read_bytes()
    half = len(data) // 2
    plain = lines(replay(CAPTURES / "http_keepalive.pcap"))
    assert lines(replay(written(tmp_path, gzip.compress(data)))) == plain
    members = gzip.compress(data[:half]) + gzip.compress(data[half:])
    assert lines(replay(written(tmp_path, members, "members"))) == plain


def test_gzip_cut_off(tmp_path: Path) -> None:
    data = gzip.compress((CAPTURES / "http_large_body.pcap").read_bytes())
    packets, fault = read(written(tmp_path, data[: len(data) * 2 // 3]))
    assert packets > 3
    assert fault is not None
    assert fault.exit_code == 2


def test_gzip_broken(tmp_path: Path) -> None:
    data = bytearray(gzip.compress((CAPTURES / "http_ab.pcap").read_bytes()))
    data[len(data) // 2] ^= 0xFF
    _, fault = read(written(tmp_path, bytes(data)))
    assert fault is not None


def test_progress(tmp_path: Path) -> None:
    path = written(tmp_path, (CAPTURES / "http_get.pcap").read_bytes())
    steps: list[tuple[int, int]] = []
    with ReplaySource.open(path) as source:
        source.fill(lambda done, total: steps.append((done, total)))
    size = path.stat().st_size
    assert steps[0] == (0, size)
    assert steps[-1] == (size, size)


def test_one_at_a_time() -> None:
    with ReplaySource.open(CAPTURES / "http_get.pcap"), pytest.raises(KindlingError, match="replayed in this process"):
        ReplaySource.open(CAPTURES / "http_get.pcap")
    with ReplaySource.open(CAPTURES / "http_get.pcap") as source:
        source.fill()
        assert source.counts().packets == 10


@given(st.lists(st.integers(1, 400), min_size=1), st.sampled_from(["http_split_head.pcap", "file_pcapng.pcapng"]))
def test_pieces_of_any_size(sizes: list[int], name: str) -> None:
    data = (CAPTURES / name).read_bytes()
    engine = Engine()
    try:
        at = turn = 0
        while at < len(data):
            piece = sizes[turn % len(sizes)]
            assert engine.feed(data[at : at + piece])
            at += piece
            turn += 1
        engine.finish()
        assert engine.fault() is None
        assert engine.counts().packets == read_whole(name)
    finally:
        engine.close()


def read_whole(name: str) -> int:
    return {"http_split_head.pcap": 20, "file_pcapng.pcapng": 16}[name]


@given(st.binary(max_size=300))
def test_anything(data: bytes) -> None:
    engine = Engine()
    try:
        engine.feed(HEAD + data)
        engine.finish()
        assert engine.counts().packets <= len(data) // 16
    finally:
        engine.close()
