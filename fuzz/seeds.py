"""Makes the first inputs of the harnesses from tests/captures: what real programs said, cut as it was.

Usage: fuzz/seeds.py
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CAPTURES = HERE.parent / "tests" / "captures"
sys.path.insert(0, str(HERE.parent / "tools" / "captures"))

import rewrite

STREAMS = {
    "http1": ("http_get", "http_head", "http_chunked", "http_chunked_request", "http_pipelining", "http_split_head",
              "http_upgrade", "http_connect", "http_errors", "http_10_close", "http_keepalive"),
    "tls": ("tls_12", "tls_13", "tls_split_hello", "tls_post_quantum", "tls_no_name"),
    "dns_tcp": ("dns_tcp", "dns_tcp_split"),
    "dns_udp": ("dns_a", "dns_cname", "dns_nxdomain", "dns_https", "dns_parallel"),
    "ntp": ("ntp",),
}  # fmt: skip
LONGEST_CAPTURE = 4200


def payloads(path: Path) -> list[tuple[bool, bytes]]:
    """(from the server, payload) of the IPv4 packets of an Ethernet capture."""
    found = []
    for *_, frame in rewrite.packets(path):
        ip = frame[14:]
        head = (ip[0] & 15) * 4
        total = struct.unpack_from("!H", ip, 2)[0]
        l4 = ip[head:total]
        body = l4[(l4[12] >> 4) * 4 :] if ip[9] == 6 else l4[8:]
        if body:
            found.append((ip[15] == 2, body[:4095]))
    return found


def main() -> None:
    for harness, names in STREAMS.items():
        folder = HERE / "corpus" / harness
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            segments = payloads(CAPTURES / f"{name}.pcap")[:40]
            data = b"".join(
                bytes([int(server) | len(body) >> 8 << 4, len(body) & 255]) + body for server, body in segments
            )
            (folder / name).write_bytes(data[:4096])
    folder = HERE / "corpus" / "capture"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(CAPTURES.glob("*.pcap*")):
        if path.suffix != ".gz" and path.stat().st_size <= LONGEST_CAPTURE:
            (folder / path.name).write_bytes(b"\0" + path.read_bytes())


if __name__ == "__main__":
    main()
