"""Requests as series: of servers (entity), of clients (topology), and the histogram of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np

from kindling.export import families as f
from kindling.export.buckets import LE, cumulate
from kindling.export.lines import Lines, group, prefixed
from kindling.export.peers import Endpoints, side
from kindling.export.text import labels, present_labels
from kindling.model import OpRow

_NS: Final = 1e9
_PIECE: Final = 32


class RequestSeries:
    """Renders rows of operations; keeps their label text in `row.text`."""

    def __init__(self, node: str, endpoints: Endpoints) -> None:
        self.node = node
        self.endpoints = endpoints

    def totals(self, ops: Iterable[OpRow]) -> Lines:
        """Counters of servers, then of clients."""
        entity: dict[str, list[OpRow]] = {}
        topology: dict[str, list[OpRow]] = {}
        for row in ops:
            main = row.text.get("main")
            if main is None:
                main = row.text["main"] = self._op_text(row)
            group(entity if row.labels.role == "server" else topology, main, row)
        return [
            *_requests(entity, f.ENTITY_REQUESTS, f.ENTITY_DURATION, f.ENTITY_RECEIVED, f.ENTITY_SENT),
            *_requests(topology, f.TOPOLOGY_REQUESTS, f.TOPOLOGY_DURATION, f.TOPOLOGY_SENT, f.TOPOLOGY_RECEIVED),
        ]

    def durations(self, ops: Iterable[OpRow]) -> Iterator[Lines]:
        """The histogram, in pieces: it is the largest family by far."""
        groups: dict[str, list[OpRow]] = {}
        for row in ops:
            text = row.text.get("duration")
            if text is None:
                text = row.text["duration"] = self._duration_text(row)
            group(groups, text, row)
        yield [f.REQUEST_DURATION.header]
        items = iter(groups.items())
        while piece := list(islice(items, _PIECE)):
            yield _histograms(piece)

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
                **prefixed("src_", here),
                **prefixed("dst_", there),
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


def _requests(
    groups: Mapping[str, list[OpRow]],
    requests: f.Family,
    duration: f.Family,
    asked: f.Family,
    answered: f.Family,
) -> Lines:
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
    return total + time + ask + answer


_BUCKET_TAILS: Final = tuple(f',le="{le}"}} ' for le in LE)


def _histograms(groups: Sequence[tuple[str, list[OpRow]]]) -> Lines:
    name = f.REQUEST_DURATION.name
    counts = cumulate(
        [rows[0].hist if len(rows) == 1 else np.sum([r.hist for r in rows], axis=0) for _, rows in groups]
    )
    lines: Lines = []
    for (text, rows), row_counts in zip(groups, counts, strict=True):
        head = f"{name}_bucket{{{text}"
        lines += [f"{head}{tail}{n}\n" for tail, n in zip(_BUCKET_TAILS, row_counts, strict=True)]
        seconds = sum([r.duration_ns for r in rows]) / _NS
        lines.append(f"{name}_sum{{{text}}} {seconds!r}\n{name}_count{{{text}}} {row_counts[-1]}\n")
    return lines
