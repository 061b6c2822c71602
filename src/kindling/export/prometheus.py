"""A snapshot as Prometheus text.

Label text is rendered once per row and kept in `row.text`; a scrape then only joins it with numbers. Rows whose
labels come out the same (two HTTP methods under one path) are added up: a series appears once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

import kindling
from kindling.export import families as f
from kindling.export.agent_stats import SelfUse, read_self
from kindling.export.buckets import LE, cumulate
from kindling.export.horizon import Horizon
from kindling.export.peers import Endpoints, side
from kindling.export.text import escape, labels, number, present_labels
from kindling.export.trace import TraceSeries
from kindling.model import LOST_NAMES, FlowRow, OpRow, RequestEvent, Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: `errno` of a failed attempt to connect; "" where the probe does not know it.
ERRNO: Final = {
    "refused": "111",
    "reset": "104",
    "timeout": "110",
    "unreachable": "113",
    "local": "",
    "aborted": "125",
}

_NS: Final = 1e9

Lines = list[str]


class Exporter:
    """Renders snapshots of one host, one after the other."""

    def __init__(
        self,
        *,
        node: str | None = None,
        horizon: Horizon | None = None,
        self_use: Callable[[], SelfUse] = read_self,
    ) -> None:
        self.node = node if node is not None else socket.gethostname()
        self.horizon = horizon or Horizon()
        self.endpoints = Endpoints()
        self.trace = TraceSeries(self.node)
        self._self_use = self_use

    def observe(self, requests: Sequence[RequestEvent]) -> None:
        """Take what may have left the list of recent requests at the next scrape: to be called after every tick."""
        self.trace.update(requests, self.endpoints)

    def render(self, snapshot: Snapshot) -> list[bytes]:
        """The whole of /metrics, in pieces: text of one piece at a time is in memory twice."""
        self._learn(snapshot)
        self.observe(snapshot.requests)
        self.trace.forget(snapshot.time)
        sections: tuple[Callable[[Lines], None], ...] = (
            lambda parts: self._ops(parts, snapshot.ops),
            lambda parts: self._durations(parts, snapshot.ops),
            self._trace,
            lambda parts: self._tcp(parts, snapshot.flows),
            lambda parts: self._external(parts, snapshot.flows),
            lambda parts: self._agent(parts, snapshot),
        )
        pieces: list[bytes] = []
        for section in sections:
            parts: Lines = []
            section(parts)
            if parts:
                pieces.append("".join(parts).encode("utf-8", "replace"))
        return pieces

    def _learn(self, snapshot: Snapshot) -> None:
        changed = self.endpoints.learn(snapshot.flows)
        if changed:
            rows: list[FlowRow | OpRow] = [*snapshot.flows, *snapshot.ops]
            for row in rows:
                if (row.labels.remote_ip, row.labels.port) in changed:
                    row.text.clear()
        self.horizon.learn({row.labels.local_ip for row in snapshot.flows})

    # --- requests ---------------------------------------------------------------------------

    def _ops(self, parts: Lines, ops: Iterable[OpRow]) -> None:
        entity: dict[str, list[OpRow]] = {}
        topology: dict[str, list[OpRow]] = {}
        for row in ops:
            main = row.text.get("main")
            if main is None:
                main = row.text["main"] = self._op_text(row)
            groups = entity if row.labels.role == "server" else topology
            groups.setdefault(main, []).append(row)
        _requests(parts, entity, f.ENTITY_REQUESTS, f.ENTITY_DURATION, f.ENTITY_RECEIVED, f.ENTITY_SENT)
        _requests(parts, topology, f.TOPOLOGY_REQUESTS, f.TOPOLOGY_DURATION, f.TOPOLOGY_SENT, f.TOPOLOGY_RECEIVED)

    def _durations(self, parts: Lines, ops: Iterable[OpRow]) -> None:
        groups: dict[str, list[OpRow]] = {}
        for row in ops:
            text = row.text.get("duration")
            if text is None:
                text = row.text["duration"] = self._duration_text(row)
            groups.setdefault(text, []).append(row)
        _histograms(parts, groups)

    def _op_text(self, row: OpRow) -> str:
        op = row.labels
        here = side(op.workload, self.node, op.local_ip)
        if op.role == "server":
            return labels(
                f.ENTITY_LABELS,
                {
                    **here,
                    "port": str(op.port),
                    "protocol": op.protocol,
                    "request_content": op.content,
                    "response_content": op.status,
                },
            )
        there = self.endpoints.side(op.remote_ip, op.port, self.node)
        return labels(
            f.TOPOLOGY_LABELS,
            {
                **_prefixed("src_", here),
                **_prefixed("dst_", there),
                "dst_port": str(op.port),
                "protocol": op.protocol,
                "status_code": op.status,
            },
        )

    def _duration_text(self, row: OpRow) -> str:
        op = row.labels
        return present_labels(
            f.DURATION_LABELS,
            {
                **side(op.workload, self.node, op.local_ip),
                "role": op.role,
                "dst_ip": op.remote_ip,
                "dst_name": op.name,
                "port": str(op.port),
                "protocol": op.protocol,
                "request_content": op.content,
                "response_content": op.status,
            },
        )

    def _trace(self, parts: Lines) -> None:
        parts.append(f.TRACE.header)
        head = f.TRACE.name
        parts.extend([f"{head}{{{text}}} {duration}\n" for text, duration in self.trace.items()])

    # --- connections ------------------------------------------------------------------------

    def _tcp(self, parts: Lines, flows: Iterable[FlowRow]) -> None:
        pairs: dict[str, list[FlowRow]] = {}
        connects: dict[str, list[FlowRow]] = {}
        for row in flows:
            if row.labels.transport != "tcp":
                continue
            text = row.text
            pair = text.get("pair")
            if pair is None:
                pair = text["pair"] = self._pair_text(row)
                if row.labels.role == "client":
                    text["connect"] = self._connect_text(row)
            pairs.setdefault(pair, []).append(row)
            connect = text.get("connect")
            if connect is not None:
                connects.setdefault(connect, []).append(row)
        srtt: Lines = [f.TCP_SRTT.header]
        again: Lines = [f.TCP_RETRANSMITS.header]
        for pair, rows in pairs.items():
            last = rows[0] if len(rows) == 1 else max(rows, key=_freshness)
            if last.srtt_us:
                srtt.append(f"{f.TCP_SRTT.name}{{{pair}}} {last.srtt_us}\n")
            again.append(f"{f.TCP_RETRANSMITS.name}{{{pair}}} {sum([r.retransmits for r in rows])}\n")
        parts += srtt
        parts += again
        _connects(parts, connects)

    def _pair_text(self, row: FlowRow) -> str:
        """Source is this host, the sender of what is sent again."""
        flow = row.labels
        server = flow.role == "server"
        here = side(flow.workload, self.node, flow.local_ip)
        there = {"ip": flow.remote_ip} if server else self._there(row)
        return labels(
            f.TCP_LABELS,
            {
                **_prefixed("src_", here),
                **_prefixed("dst_", there),
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
                **_prefixed("src_", side(flow.workload, self.node, flow.local_ip)),
                **_prefixed("dst_", self._there(row)),
                "dst_port": str(flow.port),
            },
        )

    def _there(self, row: FlowRow) -> dict[str, str]:
        return self.endpoints.side(row.labels.remote_ip, row.labels.port, self.node)

    def _workloads(self, parts: Lines, snapshot: Snapshot) -> None:
        seen = {row.labels.workload for row in snapshot.flows}
        known = sorted({(w.namespace, w.kind, w.name) for w in seen})
        _family(
            parts,
            f.WORKLOAD_INFO,
            ((labels(f.WORKLOAD_INFO.labels, dict(zip(f.WORKLOAD_INFO.labels, w, strict=True))), 1) for w in known),
        )

    def _external(self, parts: Lines, flows: Iterable[FlowRow]) -> None:
        outside = self.horizon.sees_outside
        groups: dict[str, list[FlowRow]] = {}
        for row in flows:
            if row.labels.role == "client" and outside(row.labels):
                text = row.text.get("external")
                if text is None:
                    text = row.text["external"] = self._external_text(row)
                groups.setdefault(text, []).append(row)
        _family(
            parts,
            f.EXTERNAL_CONNECTIONS,
            ((text, sum([r.opened for r in rows])) for text, rows in groups.items()),
        )
        _family(parts, f.EXTERNAL_BYTES, _directions(groups))
        _family(parts, f.EXTERNAL_FAILURES, _reasons(groups))

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

    # --- the agent itself -------------------------------------------------------------------

    def _agent(self, parts: Lines, snapshot: Snapshot) -> None:
        self._workloads(parts, snapshot)
        lost = {**dict.fromkeys(LOST_NAMES, 0), **snapshot.lost}
        _family(parts, f.LOST, ((f'cause="{escape(cause)}"', n) for cause, n in lost.items()))
        stats = snapshot.stats
        _family(parts, f.DROPS, _drops(stats))
        _family(parts, f.BUILD_INFO, ((f'version="{escape(kindling.__version__)}"', 1),))
        _family(parts, f.SINCE, (("", snapshot.since),))
        _family(parts, f.TICKS, _plain(stats, "ticks"))
        _family(parts, f.TICK_SECONDS, _plain(stats, "tick_seconds"))
        _family(parts, f.SLOTS_USED, _by_table(stats, "_slots_used"))
        _family(parts, f.SLOTS_CAPACITY, _by_table(stats, "_slots"))
        _family(parts, f.SLOTS_RECYCLED, _by_table(stats, "_slots_recycled"))
        rows = {"flow": len(snapshot.flows), "op": len(snapshot.ops), "trace": len(self.trace)}
        _family(parts, f.ROWS, ((f'table="{name}"', n) for name, n in rows.items()))
        _family(parts, f.TRACE_EVICTED, (("", self.trace.evicted),))
        use = self._self_use()
        _family(parts, f.CPU, (("", use.user_seconds + use.system_seconds),))
        _family(parts, f.MEMORY, (("", use.resident_bytes),))
        _family(parts, f.STARTED, (("", use.started),))


def _family(parts: Lines, family: f.Family, series: Iterable[tuple[str, float]]) -> None:
    """A family without series is left out: its header alone says nothing."""
    name = family.name
    lines = [f"{name}{{{text}}} {number(value)}\n" if text else f"{name} {number(value)}\n" for text, value in series]
    if lines:
        parts.append(family.header)
        parts += lines


def _requests(
    parts: Lines,
    groups: Mapping[str, list[OpRow]],
    requests: f.Family,
    duration: f.Family,
    asked: f.Family,
    answered: f.Family,
) -> None:
    """`asked` takes the bytes of the requests, `answered` those of the responses."""
    total: Lines = [requests.header]
    time: Lines = [duration.header]
    ask: Lines = [asked.header]
    answer: Lines = [answered.header]
    a, b, c, d = requests.name, duration.name, asked.name, answered.name
    for text, rows in groups.items():
        row = rows[0]
        if len(rows) == 1:
            count, slow, ns = row.count, row.slow, row.duration_ns
            sent, received = row.request_bytes, row.response_bytes
        else:
            count = sum([r.count for r in rows])
            slow = sum([r.slow for r in rows])
            ns = sum([r.duration_ns for r in rows])
            sent = sum([r.request_bytes for r in rows])
            received = sum([r.response_bytes for r in rows])
        total.append(f'{a}{{{text},is_slow="false"}} {count - slow}\n{a}{{{text},is_slow="true"}} {slow}\n')
        time.append(f"{b}{{{text}}} {ns}\n")
        ask.append(f"{c}{{{text}}} {sent}\n")
        answer.append(f"{d}{{{text}}} {received}\n")
    parts += total
    parts += time
    parts += ask
    parts += answer


_BUCKET_TAILS: Final = tuple(f',le="{le}"}} ' for le in LE)


def _histograms(parts: Lines, groups: Mapping[str, list[OpRow]]) -> None:
    parts.append(f.REQUEST_DURATION.header)
    name = f.REQUEST_DURATION.name
    counts = cumulate(
        [rows[0].hist if len(rows) == 1 else np.sum([r.hist for r in rows], axis=0) for rows in groups.values()]
    )
    lines: Lines = []
    for (text, rows), row_counts in zip(groups.items(), counts, strict=True):
        head = f"{name}_bucket{{{text}"
        lines += [f"{head}{tail}{n}\n" for tail, n in zip(_BUCKET_TAILS, row_counts, strict=True)]
        seconds = sum([r.duration_ns for r in rows]) / _NS
        lines.append(f"{name}_sum{{{text}}} {seconds!r}\n{name}_count{{{text}}} {row_counts[-1]}\n")
    parts += lines


def _connects(parts: Lines, groups: Mapping[str, list[FlowRow]]) -> None:
    total: Lines = [f.TCP_CONNECTS.header]
    time: Lines = [f.TCP_CONNECT_DURATION.header]
    a, b = f.TCP_CONNECTS.name, f.TCP_CONNECT_DURATION.name
    for text, rows in groups.items():
        total.append(f'{a}{{{text},success="true",errno="0"}} {sum([r.connect_count for r in rows])}\n')
        failed: dict[str, int] = {}
        for row in rows:
            for reason, n in row.failed.items():
                if n:
                    errno = ERRNO[reason]
                    failed[errno] = failed.get(errno, 0) + n
        total.extend([f'{a}{{{text},success="false",errno="{errno}"}} {n}\n' for errno, n in failed.items()])
        time.append(f"{b}{{{text}}} {sum([r.connect_ns for r in rows])}\n")
    parts += total
    parts += time


def _directions(groups: Mapping[str, list[FlowRow]]) -> Iterator[tuple[str, float]]:
    for text, rows in groups.items():
        yield f'{text},direction="out"', sum([r.bytes_out for r in rows])
        yield f'{text},direction="in"', sum([r.bytes_in for r in rows])


def _reasons(groups: Mapping[str, list[FlowRow]]) -> Iterator[tuple[str, float]]:
    for text, rows in groups.items():
        for reason in ERRNO:
            n = sum([r.failed[reason] for r in rows])
            if n:
                yield f'{text},reason="{reason}"', n


def _plain(stats: Mapping[str, float], key: str) -> Iterator[tuple[str, float]]:
    if key in stats:
        yield "", stats[key]


def _by_table(stats: Mapping[str, float], suffix: str) -> Iterator[tuple[str, float]]:
    """`flow_slots_used` and its like."""
    for key, value in stats.items():
        if key.endswith(suffix):
            yield f'table="{key.removesuffix(suffix)}"', value


def _drops(stats: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """`drops.NO_SOCKET` and its like."""
    for key, value in stats.items():
        if key.startswith("drops."):
            yield f'reason="{escape(key.removeprefix("drops."))}"', value


def _prefixed(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    return {prefix + name: value for name, value in values.items()}


def _freshness(row: FlowRow) -> float:
    return row.last_seen if row.srtt_us else 0.0
