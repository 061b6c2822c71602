"""A capture as the replay sees it and as tshark does, in terms in which both can be compared."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kindling.capture.replay import Addresses, ReplaySource
from kindling.model import Snapshot
from kindling.table import Collector

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
TSHARK = shutil.which("tshark")


def captures(pattern: str = "*") -> list[str]:
    return sorted(path.name for path in CAPTURES.glob(f"{pattern}.pcap*"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What both must agree on, each from the clients' side."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """("GET /users/*", "200"); status "" where no answer came."""
    hosts: frozenset[str] = frozenset()
    """Of the first request of each connection; names only: an address as Host names nothing."""
    queries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """("A www.example.test", "0"), the response code as a number."""
    hellos: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(server name, first protocol of ALPN, version)."""
    opened: int = 0
    refused: int = 0
    unanswered: int = 0
    """Connections that nobody answered."""
    bytes_out: int = 0
    """TCP payload, each byte once."""
    bytes_in: int = 0
    sent_again: int = 0
    """Segments in both directions, SYNs too; overtaken ones look the same to who watches."""


# --- replay -----------------------------------------------------------------------------------


def replay(path: Path) -> Snapshot:
    with ReplaySource.open(path) as source:
        source.fill()
        assert source.fault is None, source.fault
        collector = Collector(source, identify=Addresses(), clock=source.seconds)
        collector.tick(final=True)
        return collector.snapshot()


_RCODES = {"NOERROR": "0", "FORMERR": "1", "SERVFAIL": "2", "NXDOMAIN": "3", "NOTIMP": "4", "REFUSED": "5"}


def _names(snapshot: Snapshot) -> set[str]:
    return {row.labels.name for row in snapshot.flows if row.labels.evidence == "host"}


def seen_by_replay(path: Path) -> Seen:
    snapshot = replay(path)
    seen = Seen(hosts=frozenset(_names(snapshot)))
    numbers: Counter[str] = Counter()
    for op in snapshot.ops:
        if op.labels.role == "client" and op.labels.protocol == "http":
            status = op.labels.status if op.labels.status.isdigit() else ""
            seen.requests[op.labels.operation, status] += op.count
        elif op.labels.role == "client" and op.labels.protocol == "dns":
            seen.queries[op.labels.operation.lower(), _RCODES.get(op.labels.status, op.labels.status)] += op.count
    for flow in snapshot.flows:
        numbers["sent_again"] += flow.retransmits
        if flow.labels.role != "client" or flow.labels.transport != "tcp":
            continue
        numbers["opened"] += flow.opened
        numbers["refused"] += flow.failed.get("refused", 0)
        numbers["unanswered"] += flow.failed.get("timeout", 0) + flow.failed.get("unreachable", 0)
        numbers["bytes_out"] += flow.bytes_out
        numbers["bytes_in"] += flow.bytes_in
        if flow.tls_version:
            name = flow.labels.name if flow.labels.evidence == "sni" else ""
            seen.hellos[name, flow.alpn, flow.tls_version] += flow.opened
    return Seen(seen.requests, seen.hosts, seen.queries, seen.hellos, **numbers)


# --- tshark -----------------------------------------------------------------------------------

_OPTIONS = (
    *("-o", "tcp.reassemble_out_of_order:TRUE"),
    *(word for port in (8000, 8001, 8004) for word in ("-d", f"tcp.port=={port},http")),
)
_TYPES = {"1": "a", "28": "aaaa", "15": "mx", "16": "txt", "65": "https"}
_FIELDS = (
    "tcp.stream",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.seq",
    "tcp.len",
    "tcp.analysis.retransmission",
    "tcp.analysis.out_of_order",
    "udp.stream",
    "http.request.method",
    "http.request.uri",
    "http.host",
    "http.response.code",
    "dns.flags.response",
    "dns.id",
    "dns.qry.name",
    "dns.qry.type",
    "dns.flags.rcode",
    "tls.handshake.type",
    "tls.handshake.version",
    "tls.handshake.extensions_server_name",
    "tls.handshake.extensions_alpn_str",
    "tls.handshake.extensions.supported_version",
)

Packet = dict[str, list[str]]
"""Values of each field that a packet has."""


def packets(path: Path) -> list[Packet]:
    command = [
        "tshark",
        "-r",
        str(path),
        "-n",
        *_OPTIONS,
        "-Y",
        "(tcp || (dns && udp.port == 53)) && !icmp",
        "-T",
        "fields",
    ]
    command += ["-E", "aggregator=|", *(word for name in _FIELDS for word in ("-e", name))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [
        {name: text.split("|") for name, text in zip(_FIELDS, line.split("\t"), strict=True) if text}
        for line in done.stdout.splitlines()
    ]


def _varies(segment: str) -> bool:
    if re.fullmatch(r"v[\d.]+", segment) and len(segment) <= 8:
        return False
    return segment.isdigit() or sum(c.isdigit() for c in segment) >= 3 or len(segment) > 32


def collapsed(target: str) -> str:
    return "/".join("*" if _varies(s) else s for s in target.split("?", maxsplit=1)[0].split("/"))


def _bare(host: str) -> str:
    """A Host header without its port."""
    return host[1 : host.index("]")] if host.startswith("[") else host.split(":", maxsplit=1)[0]


def _requests(seen: list[Packet]) -> tuple[Counter[tuple[str, str]], frozenset[str]]:
    asked: dict[str, list[str]] = defaultdict(list)
    answered: dict[str, list[str]] = defaultdict(list)
    first_hosts: dict[str, str] = {}
    tunnels: set[str] = set()
    for packet in seen:
        stream = packet.get("tcp.stream", [""])[0]
        methods, targets = packet.get("http.request.method", []), packet.get("http.request.uri", [])
        # tshark 4.4 repeats the target with the answer
        for method, target in zip(methods, targets if methods else [], strict=True):
            if stream not in tunnels:
                asked[stream].append(f"{method} {collapsed(target)}")
                first_hosts.setdefault(stream, _bare(packet.get("http.host", [""])[0]))
            if method == "CONNECT":
                tunnels.add(stream)
        codes = packet.get("http.response.code", [])
        answered[stream] += [code for code in codes if not code.startswith("1") or code == "101"]
    found: Counter[tuple[str, str]] = Counter()
    for stream, operations in asked.items():
        found.update(zip(operations, [*answered[stream], *[""] * len(operations)], strict=False))
    return found, frozenset(host for host in first_hosts.values() if re.search(r"[g-z]", host))


def _queries(seen: list[Packet]) -> Counter[tuple[str, str]]:
    asked: dict[tuple[str, ...], str] = {}
    rcodes: dict[tuple[str, ...], str] = {}
    for packet in seen:
        codes = iter(packet.get("dns.flags.rcode", []))
        for i, (number, response) in enumerate(
            zip(packet.get("dns.id", []), packet.get("dns.flags.response", []), strict=True)
        ):
            key = (*packet.get("udp.stream", ["-"]), *packet.get("tcp.stream", ["-"]), number)
            if response in {"1", "True"}:
                rcodes.setdefault(key, next(codes))
            elif key not in asked:
                kind = packet["dns.qry.type"][i]
                asked[key] = f"{_TYPES.get(kind, kind)} {packet['dns.qry.name'][i].lower()}"
    return Counter((operation, rcodes.get(key, "")) for key, operation in asked.items())


def _hellos(seen: list[Packet]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for packet in seen:
        if packet.get("tls.handshake.type", [""])[0] != "1":
            continue
        offered = packet.get("tls.handshake.extensions.supported_version", packet["tls.handshake.version"][:1])
        version = max(int(text, 16) for text in offered) & 0xFF
        first = packet.get("tls.handshake.extensions_alpn_str", [""])[0]
        known = first if first in {"", "h2", "h3", "http/1.1"} else "other"
        found[packet.get("tls.handshake.extensions_server_name", [""])[0], known, f"1.{version - 1}"] += 1
    return found


def _connections(seen: list[Packet]) -> dict[str, int]:
    """Streams by what became of them, and the bytes of each direction by the highest sequence number."""
    ends: dict[tuple[str, str], list[int]] = {}
    clients: dict[str, str] = {}
    state: dict[str, str] = {}
    for packet in seen:
        if "tcp.stream" not in packet:
            continue
        (stream,), (source,), (target,) = packet["tcp.stream"], packet["tcp.srcport"], packet["tcp.dstport"]
        flags, start, length = int(packet["tcp.flags"][0], 16) & 0x17, *map(int, packet["tcp.seq"] + packet["tcp.len"])
        if flags == 2:
            clients[stream] = source
            state.setdefault(stream, "unanswered")
        elif flags == 0x12:
            clients[stream] = target
            state[stream] = "opened"
        elif flags & 4 and state.get(stream) == "unanswered":
            state[stream] = "refused"
        elif length:
            if stream not in state:
                clients[stream] = source if int(source) > int(target) else target
            state[stream] = "opened"
        if length:
            low, high = ends.get((stream, source), (start, start))
            ends[stream, source] = [min(low, start), max(high, start + length)]
    found = Counter(state.values())
    analysis = ("tcp.analysis.retransmission", "tcp.analysis.out_of_order")
    found["sent_again"] = sum(any(name in packet for name in analysis) for packet in seen)
    for (stream, source), (low, high) in ends.items():
        found["bytes_out" if clients[stream] == source else "bytes_in"] += high - low
    return dict(found)


@cache
def seen_by_tshark(path: Path) -> Seen:
    seen = packets(path)
    requests, hosts = _requests(seen)
    return Seen(requests, hosts, _queries(seen), _hellos(seen), **_connections(seen))
