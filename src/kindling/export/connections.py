"""Connections as series: TCP's health, attempts to connect, destinations outside this host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kindling.export import families as f
from kindling.export.horizon import Horizon
from kindling.export.lines import Lines, group, prefixed
from kindling.export.peers import Endpoints, side
from kindling.export.text import labels, present_labels
from kindling.model import FlowRow

#: `errno` of a failed attempt to connect; "" where the probe does not know it.
ERRNO: Final = {
    "refused": "111",
    "reset": "104",
    "timeout": "110",
    "unreachable": "113",
    "local": "",
    "aborted": "125",
}


class ConnectionSeries:
    """Renders rows of flows; keeps their label text in `row.text`."""

    def __init__(self, node: str, endpoints: Endpoints, horizon: Horizon) -> None:
        self.node = node
        self.endpoints = endpoints
        self.horizon = horizon

    def tcp(self, flows: Iterable[FlowRow]) -> Lines:
        """Round-trip times, retransmits, attempts to connect."""
        pairs: dict[str, list[FlowRow]] = {}
        connects: dict[str, list[FlowRow]] = {}
        for row in flows:
            flow = row.labels
            if flow.transport != "tcp":
                continue
            text = row.text
            pair = text.get("pair")
            if pair is None:
                pair = text["pair"] = self._pair_text(row)
                if flow.role == "client":
                    text["connect"] = self._connect_text(row)
            group(pairs, pair, row)
            if flow.role == "client":
                group(connects, text["connect"], row)
        return [*_health(pairs), *_connects(connects)]

    def external(self, flows: Iterable[FlowRow]) -> Lines:
        """Destinations outside this host."""
        outside = self.horizon.sees_outside
        groups: dict[str, list[FlowRow]] = {}
        for row in flows:
            if row.labels.role == "client" and outside(row.labels):
                text = row.text.get("external")
                if text is None:
                    text = row.text["external"] = self._external_text(row)
                group(groups, text, row)
        return _external(groups) if groups else []

    def _pair_text(self, row: FlowRow) -> str:
        """Source is this host, the sender of what is sent again."""
        flow = row.labels
        server = flow.role == "server"
        here = side(flow.workload, self.node, flow.local_ip)
        there = {"ip": flow.remote_ip} if server else self._there(row)
        return labels(
            f.TCP_LABELS,
            {
                **prefixed("src_", here),
                **prefixed("dst_", there),
                "src_node_ip": "",
                "src_port": str(flow.port) if server else "0",
                "dst_port": "0" if server else str(flow.port),
            },
        )

    def _connect_text(self, row: FlowRow) -> str:
        flow = row.labels
        return labels(
            f.CONNECT_LABELS,
            {
                **prefixed("src_", side(flow.workload, self.node, flow.local_ip)),
                **prefixed("dst_", self._there(row)),
                "dst_port": str(flow.port),
            },
        )

    def _there(self, row: FlowRow) -> dict[str, str]:
        return self.endpoints.side(row.labels.remote_ip, row.labels.port, self.node)

    def _external_text(self, row: FlowRow) -> str:
        flow = row.labels
        return present_labels(
            f.EXTERNAL_LABELS,
            {
                **side(flow.workload, self.node, flow.local_ip),
                "dst_ip": flow.remote_ip,
                "dst_name": flow.name,
                "dst_port": str(flow.port),
                "evidence": flow.evidence,
                "transport": flow.transport,
                "protocol": flow.protocol,
            },
        )


# Long label texts are put into the list as they are: a line of its own would be one more copy of each.


def _health(groups: Mapping[str, list[FlowRow]]) -> Lines:
    srtt: Lines = [f.TCP_SRTT.header]
    again: Lines = [f.TCP_RETRANSMITS.header]
    a, b = f"{f.TCP_SRTT.name}{{", f"{f.TCP_RETRANSMITS.name}{{"
    for text, rows in groups.items():
        last = rows[0]
        retransmits = last.retransmits
        if len(rows) > 1:
            last = max(rows, key=_freshness)
            retransmits = sum(r.retransmits for r in rows)
        if last.srtt_us:
            srtt += (a, text, f"}} {last.srtt_us}\n")
        again += (b, text, f"}} {retransmits}\n")
    return srtt + again


def _freshness(row: FlowRow) -> float:
    return row.last_seen if row.srtt_us else 0.0


def _connects(groups: Mapping[str, list[FlowRow]]) -> Lines:
    total: Lines = [f.TCP_CONNECTS.header]
    time: Lines = [f.TCP_CONNECT_DURATION.header]
    a, b = f"{f.TCP_CONNECTS.name}{{", f"{f.TCP_CONNECT_DURATION.name}{{"
    for text, rows in groups.items():
        count = rows[0].connect_count if len(rows) == 1 else sum(r.connect_count for r in rows)
        ns = rows[0].connect_ns if len(rows) == 1 else sum(r.connect_ns for r in rows)
        total += (a, text, f',success="true",errno="0"}} {count}\n')
        time += (b, text, f"}} {ns}\n")
        for reason, n in _failed(rows):
            total += (a, text, f',success="false",errno="{ERRNO[reason]}"}} {n}\n')
    return total + time


def _external(groups: Mapping[str, list[FlowRow]]) -> Lines:
    total: Lines = [f.EXTERNAL_CONNECTIONS.header]
    size: Lines = [f.EXTERNAL_BYTES.header]
    failures: Lines = []
    a, b, c = (f"{each.name}{{" for each in (f.EXTERNAL_CONNECTIONS, f.EXTERNAL_BYTES, f.EXTERNAL_FAILURES))
    for text, rows in groups.items():
        row = rows[0]
        opened, out, into = row.opened, row.bytes_out, row.bytes_in
        if len(rows) > 1:
            opened = sum(r.opened for r in rows)
            out = sum(r.bytes_out for r in rows)
            into = sum(r.bytes_in for r in rows)
        total += (a, text, f"}} {opened}\n")
        size += (b, text, f',direction="out"}} {out}\n', b, text, f',direction="in"}} {into}\n')
        for reason, n in _failed(rows):
            failures += (c, text, f',reason="{reason}"}} {n}\n')
    return total + size + ([f.EXTERNAL_FAILURES.header, *failures] if failures else [])


def _failed(rows: list[FlowRow]) -> list[tuple[str, int]]:
    """Reasons that occurred, and how often."""
    if len(rows) == 1:
        failed = rows[0].failed
        return [pair for pair in failed.items() if pair[1]] if any(failed.values()) else []
    sums = ((reason, sum(row.failed[reason] for row in rows)) for reason in ERRNO)
    return [pair for pair in sums if pair[1]]
