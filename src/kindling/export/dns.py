"""DNS as series: queries by domain and result, and how long servers take."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from operator import attrgetter
from typing import Final

from kindling.export import families as f
from kindling.export.durations import HistogramSection
from kindling.export.peers import side
from kindling.export.requests import OTHER
from kindling.export.section import ALL, OWN, Section, Series, Totals, line_writer
from kindling.export.text import present_labels
from kindling.model import OpLabels, OpRow
from kindling.protocols import by_name

_PROTOCOL: Final = "dns"


def _server(op: OpLabels) -> str:
    return op.local_ip if op.role == "server" else op.remote_ip


def _rcode(op: OpLabels) -> str:
    """In words where there are any; "" when nobody answered."""
    return by_name(_PROTOCOL).explain(int(op.status) + 1) if op.status.isdecimal() else op.status


def _asking(op: OpLabels, node: str) -> dict[str, str]:
    return {**side(op.workload, node, "", op.service), "role": op.role, "transport": op.transport}


class DnsQuerySection(Section[OpRow]):
    """Queries by domain, type and result."""

    families = (f.DNS_REQUESTS, f.DNS_UNANSWERED)
    cost = 1
    share = 0.02

    def takes(self, row: OpRow) -> bool:
        return row.labels.protocol == _PROTOCOL

    def key(self, row: OpRow, level: int) -> Hashable:
        op = row.labels
        if level == ALL:
            return (ALL, op.status)
        own = (op.role, op.workload, op.workload.container_id, op.service, op.transport, op.status)
        return (*own, _server(op), op.operation, op.content) if level == OWN else own

    def text(self, row: OpRow, level: int) -> str:
        op = row.labels
        values = {"domain": OTHER, "rcode": _rcode(op)}
        if level == ALL:
            return present_labels(f.DNS_QUERY_LABELS, {**values, "node": self.node, "workload_name": OTHER})
        values |= _asking(op, self.node)
        if level == OWN:
            kind, _, question = op.operation.partition(" ")
            values |= {"server": _server(op), "domain": op.content, "type": kind if question else ""}
        return present_labels(f.DNS_QUERY_LABELS, values)

    def values(self, row: OpRow) -> Totals:
        return (row.count,)

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces."""
        sums = self.sums()
        asked = line_writer(f.DNS_REQUESTS, attrgetter("count"), 0, sums)
        unheard = line_writer(f.DNS_UNANSWERED, attrgetter("count"), 0, sums)

        def unanswered(series: Series[OpRow]) -> str:
            return unheard(series) if ',rcode="' not in series.text else ""

        written = yield from self.pieces(asked, f.DNS_REQUESTS.heading(openmetrics=openmetrics))
        written += yield from self.pieces(unanswered, f.DNS_UNANSWERED.heading(openmetrics=openmetrics))
        self.settle(written)


class DnsServerSection(HistogramSection):
    """How long the answers of a server took, for a workload that asks it."""

    families = (f.DNS_DURATION,)
    share = 0.02

    def takes(self, row: OpRow) -> bool:
        return row.labels.protocol == _PROTOCOL and row.labels.status != ""

    def key(self, row: OpRow, level: int) -> Hashable:
        op = row.labels
        if level == ALL:
            return ALL
        own = (op.role, op.workload, op.workload.container_id, op.service, op.transport)
        return (*own, _server(op)) if level == OWN else own

    def text(self, row: OpRow, level: int) -> str:
        op = row.labels
        if level == ALL:
            return present_labels(f.DNS_SERVER_LABELS, {"node": self.node, "workload_name": OTHER, "server": OTHER})
        server = _server(op) if level == OWN else OTHER
        return present_labels(f.DNS_SERVER_LABELS, {**_asking(op, self.node), "server": server})
