"""Writes a large synthetic capture for measuring replay: downloads over HTTP/1.1 in packets of 1,400 bytes.

Usage: bulk.py FILE MEGABYTES
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

PACKET = 1400
CONNECTIONS = 64
BODY_PACKETS = 100  # of each response


def ethernet(source: int, target: int, sport: int, dport: int, seq: int, ack: int, flags: int, payload: bytes) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags, 65535, 0, 0)
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0, source, target)
    return bytes(12) + b"\x08\x00" + ip + tcp + payload


def main() -> None:
    path, size = Path(sys.argv[1]), int(sys.argv[2]) * 1_000_000
    payload = PACKET - 54
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (payload * BODY_PACKETS - 64)
    head += b" " * 0
    first = head + b"x" * (payload - len(head))
    rest = b"x" * payload
    state = [[1000, 5000] for _ in range(CONNECTIONS)]
    written, time = 24, 0
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))

        def write(frame: bytes) -> None:
            nonlocal written, time
            time += 3
            out.write(
                struct.pack("<4I", 1_700_000_000 + time // 1_000_000, time % 1_000_000, len(frame), len(frame)) + frame
            )
            written += 16 + len(frame)

        for i in range(CONNECTIONS):
            client, server, port = 0x0A000001 + i % 8, 0x0A000100, 40000 + i
            write(ethernet(client, server, port, 80, 999, 0, 0x02, b""))
            write(ethernet(server, client, 80, port, 4999, 1000, 0x12, b""))
            write(ethernet(client, server, port, 80, 1000, 5000, 0x10, b""))
        while written < size:
            for i in range(CONNECTIONS):
                client, server, port = 0x0A000001 + i % 8, 0x0A000100, 40000 + i
                asked, answered = state[i]
                request = b"GET /file/%d HTTP/1.1\r\nHost: bulk.example\r\n\r\n" % (asked % 977)
                write(ethernet(client, server, port, 80, asked, answered, 0x18, request))
                asked += len(request)
                length = payload * BODY_PACKETS - 64 + len(head)
                sent = 0
                while sent < length:
                    piece = first if not sent else rest[: min(payload, length - sent)]
                    write(ethernet(server, client, 80, port, answered + sent, asked, 0x10, piece))
                    sent += len(piece)
                state[i] = [asked, answered + length]


if __name__ == "__main__":
    main()
