"""TCP as series: its health between two ends, and attempts to connect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Final

from kindling.export import families as f
from kindling.export.budget import Budget
from kindling.export.lines import Lines, prefixed
from kindling.export.peers import Endpoints, Side, behind, side, there, translated
from kindling.export.requests import OTHER
from kindling.export.section import ALL, OWN, Section, Series, Totals
from kindling.export.text import labels
from kindling.model import FAILURE_NAMES, FlowLabels, FlowRow

#: `errno` of a failed attempt to connect; "" where the probe does not know it.
ERRNO: Final = {
    "refused": "111",
    "reset": "104",
    "timeout": "110",
    "unreachable": "113",
    "local": "",
    "aborted": "125",
}

# Long label texts are put into the list as they are: a line of its own would be one more copy of each.


class _TcpSection(Section[FlowRow]):
    def __init__(self, budget: Budget, is_idle: Callable[[FlowRow], bool], node: str, endpoints: Endpoints) -> None:
        super().__init__(budget, is_idle, node)
        self.node_ip = ""
        """The address that the cluster knows this node by."""
        self.endpoints = endpoints

    def there(self, flow: FlowLabels) -> Side:
        """The remote end."""
        if flow.role == "server":
            return there(flow.peer)
        return self.endpoints.there(flow.remote_ip, flow.port, flow.peer)

    def near(self, flow: FlowLabels) -> dict[str, str]:
        """Labels of the end on this host."""
        return {**side(flow.workload, self.node, flow.local_ip, flow.service), "node_ip": self.node_ip}

    def far(self, flow: FlowLabels, ip: str) -> dict[str, str]:
        """Labels of the remote end, with an address."""
        end = self.there(flow).at(ip)
        if end["node"] == self.node:
            return {**end, "node_ip": self.node_ip}
        return {**end, "node_ip": flow.peer.node_ip} if flow.peer else end


class PairSection(_TcpSection):
    """Round-trip time and retransmissions. The source is this host, the sender of what is sent again."""

    families = (f.TCP_SRTT, f.TCP_RETRANSMITS)
    cost = 2
    share = 0.03

    def takes(self, row: FlowRow) -> bool:
        return row.labels.transport == "tcp"

    def key(self, row: FlowRow, level: int) -> Hashable:
        flow = row.labels
        if level == ALL:
            return ALL
        own = (flow.workload, flow.workload.container_id)
        if level != OWN:
            return own
        return (*own, flow.service, flow.local_ip, self.there(flow), *_ends(flow))

    def text(self, row: FlowRow, level: int) -> str:
        flow = row.labels
        if level == ALL:
            return labels(f.TCP_LABELS, {"src_node": self.node, "src_workload_name": OTHER, "dst_workload_name": OTHER})
        if level != OWN:
            here = prefixed("src_", side(flow.workload, self.node, ""))
            return labels(f.TCP_LABELS, {**here, "dst_workload_name": OTHER})
        ip, here_port, there_port = _ends(flow)
        return labels(
            f.TCP_LABELS,
            {
                **prefixed("src_", self.near(flow)),
                **prefixed("dst_", self.far(flow, ip)),
                "src_port": str(here_port),
                "dst_port": str(there_port),
            },
        )

    def values(self, row: FlowRow) -> Totals:
        return (row.retransmits,)

    def sum(self, rows: Collection[FlowRow]) -> Totals:
        return (sum([row.retransmits for row in rows]),)

    def lines(self, *, openmetrics: bool) -> Lines:
        srtt: Lines = [f.TCP_SRTT.heading(openmetrics=openmetrics)]
        again: Lines = [f.TCP_RETRANSMITS.heading(openmetrics=openmetrics)]
        a, b = f"{f.TCP_SRTT.name}{{", f"{f.TCP_RETRANSMITS.name}{{"
        for series in self:
            text, row = series.text, series.plain
            if row is not None:
                last, retransmits = row.srtt_us, row.retransmits
            else:
                last, (retransmits,) = _last_srtt(series), self.totals(series)
            if last:
                srtt += (a, text, f"}} {last}\n")
            again += (b, text, f"}} {retransmits}\n")
        return srtt + again


def _ends(flow: FlowLabels) -> tuple[str, int, int]:
    """The address there, the ports here and there; 0 stands for the client's, which is another one each time."""
    if flow.role == "server":
        return flow.remote_ip, flow.port, 0
    ip, port = behind(flow.remote_ip, flow.port, flow.peer)
    return ip, 0, port


def _last_srtt(series: Series[FlowRow]) -> int:
    """Of the row that changed last; what is added up under `other` has none."""
    measured = [row for row in series.rows if row.srtt_us] if series.level == OWN else []
    return max(measured, key=lambda row: row.last_seen).srtt_us if measured else 0


def failures(row: FlowRow) -> Totals:
    """By reason, in the order of FAILURE_NAMES."""
    failed = row.failed
    return tuple([failed[reason] for reason in FAILURE_NAMES])


def sum_failures(rows: Iterable[FlowRow]) -> Totals:
    """The same over many rows, few of which have any."""
    failed = [row.failed for row in rows if any(row.failed.values())]
    return tuple([sum([each[reason] for each in failed]) for reason in FAILURE_NAMES])


class ConnectSection(_TcpSection):
    """Attempts to connect."""

    families = (f.TCP_CONNECTS, f.TCP_CONNECT_DURATION)
    cost = 2
    share = 0.03

    def takes(self, row: FlowRow) -> bool:
        return row.labels.transport == "tcp" and row.labels.role == "client"

    def key(self, row: FlowRow, level: int) -> Hashable:
        flow = row.labels
        if level == ALL:
            return ALL
        own = (flow.workload, flow.workload.container_id)
        if level != OWN:
            return own
        called = flow.remote_ip, flow.port
        return (*own, flow.service, flow.local_ip, *called, self.there(flow), behind(*called, flow.peer))

    def text(self, row: FlowRow, level: int) -> str:
        flow = row.labels
        if level == ALL:
            values = {"src_node": self.node, "src_workload_name": OTHER, "dst_workload_name": OTHER}
        elif level != OWN:
            values = {**prefixed("src_", side(flow.workload, self.node, "")), "dst_workload_name": OTHER}
        else:
            values = {
                **prefixed("src_", self.near(flow)),
                **prefixed("dst_", self.far(flow, flow.remote_ip)),
                "dst_port": str(flow.port),
                **translated(flow.remote_ip, flow.port, flow.peer),
            }
        return labels(f.CONNECT_LABELS, values)

    def values(self, row: FlowRow) -> Totals:
        return (row.connect_count, row.connect_ns, *failures(row))

    def sum(self, rows: Collection[FlowRow]) -> Totals:
        counts, times = [row.connect_count for row in rows], [row.connect_ns for row in rows]
        return (sum(counts), sum(times), *sum_failures(rows))

    def lines(self, *, openmetrics: bool) -> Lines:
        total: Lines = [f.TCP_CONNECTS.heading(openmetrics=openmetrics)]
        time: Lines = [f.TCP_CONNECT_DURATION.heading(openmetrics=openmetrics)]
        a, b = f"{f.TCP_CONNECTS.name}{{", f"{f.TCP_CONNECT_DURATION.name}{{"
        written = 0
        for series in self:
            text, row = series.text, series.plain
            if row is not None:
                count, ns = row.connect_count, row.connect_ns
                failed = failures(row) if any(row.failed.values()) else ()
            else:
                count, ns, *reasons = self.totals(series)
                failed = tuple(reasons)
            total += (a, text, f',success="true",errno="0"}} {count}\n')
            time += (b, text, f"}} {ns}\n")
            written += 2
            for reason, n in zip(FAILURE_NAMES, failed, strict=False):
                if n:
                    total += (a, text, f',success="false",errno="{ERRNO[reason]}"}} {n}\n')
                    written += 1
        self.settle(written)
        return total + time
