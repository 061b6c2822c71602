"""Destinations outside this host as series: by name where one is known, else by address."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from operator import attrgetter
from typing import Final

from kindling.export import families as f
from kindling.export.connections import failed_lines, failures, sum_failures
from kindling.export.lines import prefixed
from kindling.export.peers import side
from kindling.export.requests import OTHER
from kindling.export.section import ALL, OWN, Section, Series, Totals, line_writer
from kindling.export.text import present_labels
from kindling.model import FAILURE_NAMES, FlowRow

_FAMILIES: Final = (f.EXTERNAL_CONNECTIONS, f.EXTERNAL_ACTIVE, f.EXTERNAL_BYTES, f.EXTERNAL_FAILURES)
_REASONS: Final = tuple(f'reason="{reason}"' for reason in FAILURE_NAMES)


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

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces."""
        sums = self.sums()
        opened = line_writer(f.EXTERNAL_CONNECTIONS, attrgetter("opened"), 0, sums)
        out = line_writer(f.EXTERNAL_BYTES, attrgetter("bytes_out"), 1, sums, 'direction="out"')
        into = line_writer(f.EXTERNAL_BYTES, attrgetter("bytes_in"), 2, sums, 'direction="in"')
        active, failed = f"{f.EXTERNAL_ACTIVE.name}{{", f"{f.EXTERNAL_FAILURES.name}{{"

        def now(series: Series[FlowRow]) -> str:
            return f"{active}{series.text}}} {max(sum([row.active for row in series.rows]), 0)}\n"

        def failing(series: Series[FlowRow]) -> str:
            return failed_lines(failed, series, _REASONS, sums)

        yield from self.pieces(opened, f.EXTERNAL_CONNECTIONS.heading(openmetrics=openmetrics))
        yield from self.pieces(now, f.EXTERNAL_ACTIVE.heading(openmetrics=openmetrics))
        yield from self.pieces(
            lambda series: out(series) + into(series), f.EXTERNAL_BYTES.heading(openmetrics=openmetrics)
        )
        failed_series = yield from self.pieces(failing, f.EXTERNAL_FAILURES.heading(openmetrics=openmetrics))
        self.settle(self.cost * len(self) + failed_series)
