"""Counters of requests as series: of servers (entity), of clients (topology), and of those that failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from operator import attrgetter
from typing import ClassVar, NamedTuple

from kindling.export import families as f
from kindling.export.budget import Budget
from kindling.export.family import Family
from kindling.export.lines import prefixed
from kindling.export.peers import Endpoints, Side, behind, side
from kindling.export.section import ALL, OWN, Section, Series, Totals, line_writer
from kindling.export.text import labels, present_labels
from kindling.model import OpLabels, OpRow

#: The name of what is added up because there is no room.
OTHER = "other"


class Named(NamedTuple):
    """The families of requests: how many, how long, bytes of the requests, bytes of the responses."""

    requests: Family
    duration: Family
    asked: Family
    answered: Family


class RequestSection(Section[OpRow]):
    """What servers and clients have in common."""

    named: ClassVar[Named]
    cost = 5
    share = 0.05

    def __init__(self, budget: Budget, is_idle: Callable[[OpRow], bool], node: str, endpoints: Endpoints) -> None:
        super().__init__(budget, is_idle, node)
        self.endpoints = endpoints

    def values(self, row: OpRow) -> Totals:
        return (row.count, row.slow, row.duration_ns, row.request_bytes, row.response_bytes)

    def sum(self, rows: Collection[OpRow]) -> Totals:
        return (
            sum([row.count for row in rows]),
            sum([row.slow for row in rows]),
            sum([row.duration_ns for row in rows]),
            sum([row.request_bytes for row in rows]),
            sum([row.response_bytes for row in rows]),
        )

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces."""
        sums = self.sums()
        head = f"{self.named.requests.name}{{"

        def counts(series: Series[OpRow]) -> str:
            row, text = series.plain, series.text
            count, slow = (row.count, row.slow) if row is not None else sums[series][:2]
            return f'{head}{text},is_slow="false"}} {count - slow}\n{head}{text},is_slow="true"}} {slow}\n'

        times = line_writer(self.named.duration, attrgetter("duration_ns"), 2, sums)
        asked = line_writer(self.named.asked, attrgetter("request_bytes"), 3, sums)
        answered = line_writer(self.named.answered, attrgetter("response_bytes"), 4, sums)
        for family, write in zip(self.named, (counts, times, asked, answered), strict=True):
            yield from self.pieces(write, family.heading(openmetrics=openmetrics))


class EntitySection(RequestSection):
    """Requests that workloads of this host answer."""

    named = Named(f.ENTITY_REQUESTS, f.ENTITY_DURATION, f.ENTITY_RECEIVED, f.ENTITY_SENT)
    families = named

    def takes(self, row: OpRow) -> bool:
        return row.labels.role == "server"

    def key(self, row: OpRow, level: int) -> Hashable:
        op = row.labels
        if level == ALL:
            return ALL
        if level != OWN:
            return (op.workload, op.workload.container_id, op.port, op.protocol)
        own = (op.workload, op.workload.container_id, op.service)
        return (*own, op.local_ip, op.port, op.protocol, op.content, op.status)

    def text(self, row: OpRow, level: int) -> str:
        op = row.labels
        if level == ALL:
            return labels(f.ENTITY_LABELS, {"node": self.node, "workload_name": OTHER, "request_content": OTHER})
        if level != OWN:
            values = {**side(op.workload, self.node, ""), "request_content": OTHER}
        else:
            values = side(op.workload, self.node, op.local_ip, op.service)
            values |= {"request_content": op.content, "response_content": op.status}
        return labels(f.ENTITY_LABELS, {**values, "port": str(op.port), "protocol": op.protocol})


class TopologySection(RequestSection):
    """Requests that workloads of this host send."""

    named = Named(f.TOPOLOGY_REQUESTS, f.TOPOLOGY_DURATION, f.TOPOLOGY_SENT, f.TOPOLOGY_RECEIVED)
    families = named

    def takes(self, row: OpRow) -> bool:
        return row.labels.role != "server"

    def there(self, op: OpLabels) -> Side:
        """The remote end."""
        return self.endpoints.there(op.remote_ip, op.port, op.peer)

    def key(self, row: OpRow, level: int) -> Hashable:
        op = row.labels
        if level == ALL:
            return ALL
        if level != OWN:
            return (op.workload, op.workload.container_id, op.protocol)
        ends = (op.workload, op.workload.container_id, op.local_ip, self.there(op))
        return (*ends, *behind(op.remote_ip, op.port, op.peer), op.protocol, op.status)

    def text(self, row: OpRow, level: int) -> str:
        op = row.labels
        if level == ALL:
            values = {"src_node": self.node, "src_workload_name": OTHER, "dst_workload_name": OTHER}
        elif level != OWN:
            values = {**prefixed("src_", side(op.workload, self.node, "")), "dst_workload_name": OTHER}
            values["protocol"] = op.protocol
        else:
            ip, port = behind(op.remote_ip, op.port, op.peer)
            values = {
                **prefixed("src_", side(op.workload, self.node, op.local_ip)),
                **prefixed("dst_", self.there(op).at(ip)),
                "dst_port": str(port),
                "protocol": op.protocol,
                "status_code": op.status,
            }
        return labels(f.TOPOLOGY_LABELS, values)


def content_in_histograms(protocol: str, content: str) -> str:
    """Without the domains of DNS: they are too many for 20 series each, and `kindling_dns_*` tells of them."""
    return "" if protocol == "dns" else content


def operation_key(op: OpLabels, level: int, content: str) -> Hashable:
    """Of the families that show clients and servers alike. `content`: what they show of the operation."""
    if level == ALL:
        return ALL
    if level != OWN:
        return (op.role, op.workload, op.workload.container_id, op.protocol)
    return (
        op.role,
        op.workload,
        op.workload.container_id,
        op.service,
        op.local_ip,
        op.remote_ip,
        op.name,
        op.port,
        op.protocol,
        content,
        op.status,
    )


def operation_text(op: OpLabels, node: str, level: int, content: str) -> str:
    """The labels that go with `operation_key`."""
    if level == ALL:
        return present_labels(f.DURATION_LABELS, {"node": node, "workload_name": OTHER, "request_content": OTHER})
    values = {"role": op.role, "protocol": op.protocol}
    if level != OWN:
        values |= {**side(op.workload, node, ""), "request_content": OTHER}
    else:
        values |= {
            **side(op.workload, node, op.local_ip, op.service),
            "dst_ip": op.remote_ip,
            "dst_name": op.name,
            "port": str(op.port),
            "request_content": content,
            "response_content": op.status,
        }
    return present_labels(f.DURATION_LABELS, values)


class ErrorSection(Section[OpRow]):
    """Requests that failed, of clients and servers."""

    families = (f.REQUEST_ERRORS,)
    cost = 1
    share = 0.02

    def takes(self, row: OpRow) -> bool:
        return row.labels.error

    def key(self, row: OpRow, level: int) -> Hashable:
        return operation_key(row.labels, level, row.labels.content)

    def text(self, row: OpRow, level: int) -> str:
        return operation_text(row.labels, self.node, level, row.labels.content)

    def values(self, row: OpRow) -> Totals:
        return (row.count,)

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces."""
        write = line_writer(f.REQUEST_ERRORS, attrgetter("count"), 0, self.sums())
        yield from self.pieces(write, f.REQUEST_ERRORS.heading(openmetrics=openmetrics))
