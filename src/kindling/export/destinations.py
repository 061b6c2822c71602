"""Destinations outside this host as series: by name where one is known, else by address."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Final

from kindling.export import families as f
from kindling.export.connections import failures, sum_failures
from kindling.export.lines import Lines, prefixed
from kindling.export.peers import side
from kindling.export.requests import OTHER
from kindling.export.section import ALL, OWN, Section, Totals
from kindling.export.text import present_labels
from kindling.model import FAILURE_NAMES, FlowRow

_FAMILIES: Final = (f.EXTERNAL_CONNECTIONS, f.EXTERNAL_ACTIVE, f.EXTERNAL_BYTES, f.EXTERNAL_FAILURES)


class DestinationSection(Section[FlowRow]):
    """A workload and a destination: connections, bytes, failures."""

    families = _FAMILIES
    cost = 4
    share = 0.20

    def takes(self, row: FlowRow) -> bool:
        return row.labels.outside

    def key(self, row: FlowRow, level: int) -> Hashable:
        flow = row.labels
        if level == ALL:
            return ALL
        own = (flow.workload, flow.workload.container_id)
        if level != OWN:
            return own
        destination = flow.name or flow.remote_ip
        return (*own, destination, flow.port, flow.transport, flow.protocol, flow.scope, flow.network, flow.evidence)

    def text(self, row: FlowRow, level: int) -> str:
        flow = row.labels
        if level == ALL:
            values = {"src_node": self.node, "src_workload_name": OTHER, "destination": OTHER}
        else:
            values = prefixed("src_", side(flow.workload, self.node, ""))
            values["destination"] = OTHER
        if level == OWN:
            values |= {
                "destination": flow.name or flow.remote_ip,
                "dst_port": str(flow.port),
                "transport": flow.transport,
                "protocol": flow.protocol,
                "scope": flow.scope,
                "network": flow.network,
                "evidence": flow.evidence,
            }
        return present_labels(f.EXTERNAL_LABELS, values)

    def values(self, row: FlowRow) -> Totals:
        return (row.opened, row.bytes_out, row.bytes_in, *failures(row))

    def sum(self, rows: Collection[FlowRow]) -> Totals:
        opened = sum([row.opened for row in rows])
        out, into = sum([row.bytes_out for row in rows]), sum([row.bytes_in for row in rows])
        return (opened, out, into, *sum_failures(rows))

    def lines(self, *, openmetrics: bool) -> Lines:
        if not len(self):
            return []
        total, active, size, failing = ([family.heading(openmetrics=openmetrics)] for family in _FAMILIES)
        a, b, c, d = (f"{family.name}{{" for family in _FAMILIES)
        written = self.cost * len(self)
        for series in self:
            text, row = series.text, series.plain
            if row is not None:
                opened, out, into, now = row.opened, row.bytes_out, row.bytes_in, row.active
                failed = failures(row) if any(row.failed.values()) else ()
            else:
                opened, out, into, *reasons = self.totals(series)
                failed = tuple(reasons)
                now = sum([row.active for row in series.rows])
            total += (a, text, f"}} {opened}\n")
            active += (b, text, f"}} {max(now, 0)}\n")
            size += (c, text, f',direction="out"}} {out}\n', c, text, f',direction="in"}} {into}\n')
            for reason, n in zip(FAILURE_NAMES, failed, strict=False):
                if n:
                    failing += (d, text, f',reason="{reason}"}} {n}\n')
                    written += 1
        self.settle(written)
        return total + active + size + (failing if len(failing) > 1 else [])
