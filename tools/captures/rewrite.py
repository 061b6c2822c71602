"""The same packets in other kinds of files."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path


def packets(path: Path) -> Iterator[tuple[int, int, int, bytes]]:
    """(seconds, microseconds, length on the wire, frame) of a little-endian pcap file."""
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data):
        seconds, micros, captured, length = struct.unpack_from("<4I", data, at)
        yield seconds, micros, length, data[at + 16 : at + 16 + captured]
        at += 16 + captured


def link_of(path: Path) -> int:
    return int(struct.unpack_from("<I", path.read_bytes(), 20)[0])


def swapped(source: Path, target: Path) -> None:
    out = [struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_of(source))]
    for seconds, micros, length, frame in packets(source):
        out.append(struct.pack(">4I", seconds, micros, len(frame), length) + frame)
    target.write_bytes(b"".join(out))


def as_loopback(source: Path, target: Path) -> None:
    """Ethernet to LINKTYPE_NULL, in turn with both byte orders of the address family."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 0)]
    for number, (seconds, micros, length, frame) in enumerate(packets(source)):
        if frame[12:14] == b"\x08\x00":
            body = struct.pack("<>"[number % 2] + "I", 2) + frame[14:]
            out.append(struct.pack("<4I", seconds, micros, len(body), length - 10) + body)
    target.write_bytes(b"".join(out))


def tagged(source: Path, target: Path, tags: Sequence[tuple[int, int]]) -> None:
    """Ethernet with VLAN tags (ethertype, VLAN), the outermost first."""
    tag = b"".join(struct.pack("!HH", kind, vlan) for kind, vlan in tags)
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for seconds, micros, length, frame in packets(source):
        body = frame[:12] + tag + frame[12:]
        out.append(struct.pack("<4I", seconds, micros, len(body), length + len(tag)) + body)
    target.write_bytes(b"".join(out))


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def pcapng_of(sources: Sequence[Path], *, order: str, resolution: int) -> bytes:
    """One section, one interface a source, blocks that readers must skip between."""
    out = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    for source in sources:
        option = struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
        out += block(order, 1, struct.pack(order + "HHI", link_of(source), 0, 0) + option)
        out += block(order, 0x0BAD, b"a block of a private kind")
    merged = sorted(
        (seconds, micros, interface, length, frame)
        for interface, source in enumerate(sources)
        for seconds, micros, length, frame in packets(source)
    )
    for seconds, micros, interface, length, frame in merged:
        ticks = (seconds * 1_000_000 + micros) * 10 ** (resolution - 6)
        head = struct.pack(order + "5I", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), length)
        out += block(order, 6, head + frame)
    return out
