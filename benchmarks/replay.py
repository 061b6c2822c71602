"""How fast a capture is read: packets of 1,400 bytes, one core."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np

from kindling.capture.replay import ReplaySource

PACKETS = 100_000
BYTES = 1_400
_ADDRESSES = bytes((10, 0, 0, 1, 10, 0, 0, 2))


def megabytes_per_second(home: Path) -> float:
    """Return the best of three readings, by processor time."""
    path = home / "large.pcap"
    path.write_bytes(_capture())
    best = 0.0
    for _ in range(3):
        with ReplaySource.open(path) as source:
            began = time.process_time()
            source.fill()
            best = max(best, path.stat().st_size / 1e6 / (time.process_time() - began))
    path.unlink()
    return best


def _capture() -> bytes:
    """One long answer over one connection."""
    packet = struct.pack("<4I", 1, 0, BYTES, BYTES) + bytes(12) + b"\x08\x00"
    packet += struct.pack(">BBHHHBBH", 0x45, 0, BYTES - 14, 0, 0, 64, 6, 0) + _ADDRESSES
    sequence = len(packet) + 4
    packet += struct.pack(">HHIIBBHHH", 80, 40_000, 0, 1, 0x50, 0x10, 65_535, 0, 0)
    payload = BYTES + 16 - len(packet)
    rows = np.tile(np.frombuffer(packet + b"x" * payload, np.uint8), (PACKETS, 1))
    rows[:, sequence : sequence + 4] = (np.arange(PACKETS) * payload + 1).astype(">u4").view(np.uint8).reshape(-1, 4)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + rows.tobytes()
