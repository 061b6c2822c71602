"""TCP as series: its health between two ends, and attempts to connect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final

from kindling.export import families as f
from kindling.export.budget import Budget
from kindling.export.lines import prefixed
from kindling.export.peers import Endpoints, Side, behind, side, there, translated
from kindling.export.requests import OTHER
from kindling.export.section import ALL, OWN, Section, Series, Totals, line_writer
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
_SUCCESS: Final = 'success="true",errno="0"'
_ERRNOS: Final = tuple(f'success="false",errno="{ERRNO[reason]}"' for reason in FAILURE_NAMES)


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

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces."""
        srtt = f"{f.TCP_SRTT.name}{{"

        def last(series: Series[FlowRow]) -> str:
            microseconds = series.plain.srtt_us if series.plain is not None else _last_srtt(series)
            return f"{srtt}{series.text}}} {microseconds}\n" if microseconds else ""

        again = line_writer(f.TCP_RETRANSMITS, attrgetter("retransmits"), 0, self.sums())
        yield from self.pieces(last, f.TCP_SRTT.heading(openmetrics=openmetrics))
        yield from self.pieces(again, f.TCP_RETRANSMITS.heading(openmetrics=openmetrics))


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


def failed_lines(
    head: str, series: Series[FlowRow], labels_of: Sequence[str], sums: Mapping[Series[FlowRow], Totals]
) -> str:
    """A line for each reason that there was. `labels_of` the reasons, in the order of FAILURE_NAMES; they are the last
    ones of `sums`.
    """
    row = series.plain
    if row is not None and not any(row.failed.values()):
        return ""
    counts = failures(row) if row is not None else sums[series][-len(FAILURE_NAMES) :]
    text = f"{head}{series.text}"
    return "".join([f"{text},{label}}} {n}\n" for label, n in zip(labels_of, counts, strict=True) if n])


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

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces."""
        sums = self.sums()
        came = line_writer(f.TCP_CONNECTS, attrgetter("connect_count"), 0, sums, _SUCCESS)
        time = line_writer(f.TCP_CONNECT_DURATION, attrgetter("connect_ns"), 1, sums)
        head = f"{f.TCP_CONNECTS.name}{{"

        def attempts(series: Series[FlowRow]) -> str:
            return came(series) + failed_lines(head, series, _ERRNOS, sums)

        written = yield from self.pieces(attempts, f.TCP_CONNECTS.heading(openmetrics=openmetrics))
        yield from self.pieces(time, f.TCP_CONNECT_DURATION.heading(openmetrics=openmetrics))
        self.settle(written + len(self))
