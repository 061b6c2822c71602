"""The tables that users see: what is in them, what their columns are called, how values are written.

The command line, the API and the index page all show these and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal

from kindling.export import format as fmt
from kindling.export import records
from kindling.export.external import ExternalRow, external_rows
from kindling.export.filters import Filter
from kindling.export.horizon import Horizon
from kindling.export.order import Order, Row
from kindling.export.records import Record
from kindling.model import DnsAnswer, FailureEvent, FlowRow, OpRow, RequestEvent, Snapshot

Align = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names a value of a record; `show` turns the record into the cell's text."""

    key: str
    title: str
    show: Callable[[Record], str]
    align: Align = "left"
    least: int = 0
    """On a narrow terminal the cells may be cut down to this width; 0: never."""
    keep_end: bool = False
    """Cut out of the middle: the end (a port) must be seen."""
    rank: int = 0
    """On a terminal that is narrower still, the columns of the highest rank go first; 0 stays."""


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    title: str
    columns: tuple[Column, ...]
    sort: str
    rows: Callable[[Snapshot, Horizon], list[Row]]
    value: Callable[[Row, str], Any]
    """A value of a row by the record's key, without making the whole record; None: it has none."""
    record: Callable[[Row], Mapping[str, Any]]
    number: Callable[[Row], int]
    """Tells rows apart while the agent runs."""
    sortable: tuple[str, ...]
    filters: tuple[str, ...]
    """Fields of a Filter that these rows have."""
    empty: str
    """What to say when there are no rows."""

    def order(self, sort: str = "") -> Order:
        """By a key, or the one that is usual here. Raises InputError."""
        return Order.parse(self.name, sort or self.sort, self.sortable, self.value, self.number)


def select(
    table: Table,
    snapshot: Snapshot,
    horizon: Horizon,
    *,
    wanted: Filter | None = None,
    sort: str = "",
    limit: int = 0,
) -> tuple[list[Record], int]:
    """Records in order, at most `limit` (0: all), and how many there are. Numbers sort from high to
    low, text from A to Z; a minus before the key turns that round. Raises InputError.
    """
    order = table.order(sort)
    rows = order.sorted(matching(table, snapshot, horizon, wanted))
    return [dict(table.record(row)) for row in (rows[:limit] if limit else rows)], len(rows)


def matching(table: Table, snapshot: Snapshot, horizon: Horizon, wanted: Filter | None) -> list[Row]:
    """The rows that are wanted."""
    return chosen(table, table.rows(snapshot, horizon), horizon, wanted)


def chosen(table: Table, rows: list[Row], horizon: Horizon, wanted: Filter | None) -> list[Row]:
    """Those of some rows that are wanted."""
    if wanted is None or wanted == Filter():
        return rows
    return list(filter(wanted.test(_placed(table.value, horizon)), rows))


def _placed(value: Callable[[Row, str], Any], horizon: Horizon) -> Callable[[Row, str], Any]:
    """Operations and events do not carry the scope of their address."""

    def placed(row: Row, key: str) -> Any:
        found = value(row, key)
        if found is None and key == "scope":
            return horizon.scope(value(row, "remote_ip") or "")
        return found

    return placed


# --- cells ------------------------------------------------------------------------------------


def _text(key: str) -> Callable[[Record], str]:
    return lambda r: fmt.text(r[key])


def _as(key: str, show: Callable[[Any], str]) -> Callable[[Record], str]:
    return lambda r: str(show(r[key]))


def number(key: str, title: str, show: Callable[[Any], str] = fmt.count, rank: int = 0) -> Column:
    return Column(key, title, _as(key, show), "right", rank=rank)


def _who(r: Record) -> str:
    name = _within(r["namespace"], r["workload"])
    return f"{name}/{fmt.text(r['container'])}" if r["container"] and r["container"] != r["workload"] else name


def _within(namespace: str, name: str) -> str:
    return f"{fmt.text(namespace)}/{fmt.text(name)}" if namespace else fmt.text(name)


def _process(r: Record) -> str:
    comm = fmt.text(r["comm"] or r["workload"])
    return f"{comm}[{r['pid']}]" if r["pid"] else comm


def _peer(r: Record) -> str:
    if r["role"] == "server":
        return f":{r['port']} < {_of_cluster(r) or r['remote_ip'] or 'all'}"
    return fmt.endpoint(_of_cluster(r) or fmt.text(r["name"] or r["remote_ip"] or "?"), r["port"])


def _of_cluster(r: Record) -> str:
    """NAMESPACE/WORKLOAD, the service with the pod behind it, or the node; "" for who is none of them."""
    if r["peer_kind"] == "service" and r["peer_pod"]:
        return f"{_within(r['peer_namespace'], r['peer_service'])} > {fmt.text(r['peer_pod'])}"
    return _within(r["peer_namespace"], r["peer_workload"])


def _protocol(r: Record) -> str:
    name: str = r["protocol"] if r["protocol"] != "unknown" else r["transport"]
    detail = " ".join(part for part in (r.get("tls_version", ""), r.get("alpn", "")) if part)
    return f"{name} {fmt.text(detail)}".rstrip()


def _failures(r: Record) -> str:
    if not r["failures"]:
        return "-"
    return f"{r['failures']} " + ",".join(r["failed"])


def _answers(r: Record) -> str:
    answers = r["answers"]
    if not answers:
        return "-"
    last = answers[-1]
    more = f" +{len(answers) - 1}" if len(answers) > 1 else ""
    return f"{fmt.text(last['value'])} ({last['ttl']} s){more}"


def _addresses(r: Record) -> str:
    addresses = r["addresses"]
    if not r["name"]:
        return "-"
    more = f" +{len(addresses) - 1}" if len(addresses) > 1 else ""
    return f"{addresses[0]}{more}"


def _ago(r: Record) -> str:
    return fmt.clock(r["last_seen"])


_INFERRED_NOTE: Final = "~"


def _role(r: Record) -> str:
    return f"{r['role']}{_INFERRED_NOTE if r['inferred'] else ''}"


WORKLOAD: Final = Column("workload", "WORKLOAD", _who, least=12)
PEER: Final = Column("name", "PEER", _peer, least=22, keep_end=True)
PROCESS: Final = Column("pid", "PROCESS", _process, least=14, keep_end=True, rank=3)
ROLE: Final = Column("role", "ROLE", _role, rank=2)
PROTOCOL: Final = Column("protocol", "PROTOCOL", _protocol, rank=2)
FAILED: Final = Column("failures", "FAILED", _failures, "right", least=10)
LAST: Final = Column("last_seen", "LAST", _ago, rank=6)


# --- rows -------------------------------------------------------------------------------------


_OF_WORKLOAD: Final = {
    "workload": "name",
    "workload_kind": "kind",
    "namespace": "namespace",
    "container": "container",
    "pod": "pod",
    "comm": "comm",
}
_OF_PEER: Final = {
    "peer_kind": "kind",
    "peer_namespace": "namespace",
    "peer_workload_kind": "workload_kind",
    "peer_workload": "workload_name",
    "peer_pod": "pod",
    "peer_service": "service",
    "peer_node": "node",
}


def _value(row: FlowRow | OpRow, key: str) -> Any:
    labels = row.labels
    if attribute := _OF_WORKLOAD.get(key):
        return getattr(labels.workload, attribute)
    if attribute := _OF_PEER.get(key):
        return getattr(labels.peer, attribute, "")
    return getattr(row, key, None) if hasattr(row, key) else getattr(labels, key, None)


def _op_value(row: OpRow, key: str) -> Any:
    if key == "mean_ns":
        return row.duration_ns / row.count if row.count else 0.0
    if key == "outcome":
        return records.outcome(row.labels)
    return _value(row, key)


def _external_value(row: ExternalRow, key: str) -> Any:
    if attribute := _OF_WORKLOAD.get(key):
        return getattr(row.workload, attribute)
    return getattr(row, key, None)


def _number(row: Row) -> int:
    number: int = row.number
    return number


def _flows(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    del horizon
    return list(snapshot.flows)


def _requests(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    """Those of every protocol."""
    del horizon
    return [row for row in snapshot.ops if row.count]


@dataclass(frozen=True, slots=True)
class _DnsRow:
    op: OpRow
    answer: DnsAnswer | None


def _dns(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    del horizon
    newest: dict[tuple[Any, ...], DnsAnswer] = {}
    for answer in snapshot.answers:
        newest[answer.type, answer.question] = newest[answer.workload, answer.type, answer.question] = answer
    rows = []
    for op in snapshot.ops:
        if op.labels.protocol == "dns" and op.count:
            kind, _, question = op.labels.operation.partition(" ")
            own = newest.get((op.labels.workload, kind, question))
            rows.append(_DnsRow(op, own or newest.get((kind, question))))
    return rows


def _dns_record(row: _DnsRow) -> Mapping[str, Any]:
    return records.dns(row.op, row.answer if not row.op.labels.error else None)


def _dns_value(row: _DnsRow, key: str) -> Any:
    return row.op.labels.content if key == "question" else _op_value(row.op, key)


def _dns_number(row: _DnsRow) -> int:
    return row.op.number


def _external(snapshot: Snapshot, horizon: Horizon) -> Sequence[Row]:
    return external_rows(snapshot.flows, horizon)


_COMMON: Final = (
    "workload",
    "namespace",
    "port",
    "protocol",
    "transport",
    "role",
    "destination",
    "scope",
    "search",
    "since",
    "until",
)

_PEERS: Final = ("peer_workload", "peer_namespace")

FLOWS: Final = Table(
    name="flows",
    title="Connections: who talks to whom",
    columns=(
        WORKLOAD,
        PROCESS,
        ROLE,
        PEER,
        PROTOCOL,
        number("opened", "CONNS"),
        number("active", "OPEN"),
        FAILED,
        number("bytes_out", "SENT", fmt.size),
        number("bytes_in", "RECEIVED", fmt.size),
        number("srtt_us", "RTT", fmt.microseconds, rank=4),
        number("retransmits", "RETRANS", rank=5),
        LAST,
    ),
    sort="last_seen",
    rows=_flows,
    value=_value,
    record=records.flow,
    number=_number,
    filters=(*_COMMON, *_PEERS, "evidence"),
    sortable=(
        "last_seen",
        "first_seen",
        "opened",
        "active",
        "failures",
        "bytes_out",
        "bytes_in",
        "packets_out",
        "packets_in",
        "srtt_us",
        "retransmits",
        "duration_ns",
        "workload",
        "name",
        "remote_ip",
        "port",
        "protocol",
        "role",
    ),
    empty="No connection was seen yet.",
)

REQUESTS: Final = Table(
    name="requests",
    title="Requests: what is asked, and how it is answered",
    columns=(
        WORKLOAD,
        ROLE,
        PEER,
        PROTOCOL,
        Column("operation", "OPERATION", _text("operation"), least=18),
        Column("status", "STATUS", _text("outcome")),
        number("count", "COUNT"),
        number("slow", "SLOW", rank=3),
        number("mean_ns", "MEAN", fmt.duration, rank=5),
        number("p50_ns", "P50", fmt.duration),
        number("p99_ns", "P99", fmt.duration, rank=4),
        LAST,
    ),
    sort="count",
    rows=_requests,
    value=_op_value,
    record=records.request,
    number=_number,
    filters=(*_COMMON, *_PEERS, "evidence", "status"),
    sortable=(
        "count",
        "slow",
        "error",
        "mean_ns",
        "duration_ns",
        "request_bytes",
        "response_bytes",
        "last_seen",
        "first_seen",
        "workload",
        "name",
        "operation",
        "status",
        "protocol",
        "role",
        "port",
    ),
    empty="No request of a known protocol was seen yet.",
)

DNS: Final = Table(
    name="dns",
    title="DNS: which names are asked for, and what comes back",
    columns=(
        WORKLOAD,
        ROLE,
        Column("server", "SERVER", lambda r: r["server"] or ":" + str(r["port"]), least=12),
        Column("type", "TYPE", _text("type")),
        Column("question", "NAME", _text("question"), least=20),
        Column("outcome", "OUTCOME", _text("outcome")),
        number("count", "COUNT"),
        number("p50_ns", "P50", fmt.duration),
        number("p99_ns", "P99", fmt.duration, rank=4),
        Column("answers", "ANSWER", _answers, least=16, rank=4),
        LAST,
    ),
    sort="count",
    rows=_dns,
    value=_dns_value,
    record=_dns_record,
    number=_dns_number,
    filters=(*_COMMON, *_PEERS, "evidence", "status"),
    sortable=("count", "mean_ns", "question", "workload", "status", "error", "last_seen", "first_seen"),
    empty="No DNS query was seen yet.",
)

EXTERNAL: Final = Table(
    name="external",
    title="Destinations outside this host",
    columns=(
        Column("destination", "DESTINATION", _text("destination"), least=24),
        Column("evidence", "KNOWN BY", _text("evidence"), rank=5),
        Column("addresses", "ADDRESS", _addresses, least=16, rank=4),
        Column("port", "PORT", _text("port"), "right"),
        PROTOCOL,
        WORKLOAD,
        PROCESS,
        number("connections", "CONNS"),
        number("active", "OPEN"),
        FAILED,
        number("bytes_out", "SENT", fmt.size),
        number("bytes_in", "RECEIVED", fmt.size),
        LAST,
    ),
    sort="connections",
    rows=lambda snapshot, horizon: list(_external(snapshot, horizon)),
    value=_external_value,
    record=records.external,
    number=_number,
    filters=(*_COMMON, "evidence"),
    sortable=(
        "connections",
        "active",
        "failures",
        "bytes_out",
        "bytes_in",
        "destination",
        "port",
        "evidence",
        "protocol",
        "workload",
        "last_seen",
        "first_seen",
    ),
    empty="No connection to a destination outside this host was seen yet.",
)


def _events(snapshot: Snapshot, horizon: Horizon) -> list[Row]:
    del horizon
    return [*snapshot.requests, *snapshot.failures]


def _event_value(row: RequestEvent | FailureEvent, key: str) -> Any:
    if attribute := _OF_WORKLOAD.get(key):
        return getattr(row.workload, attribute)
    if attribute := _OF_PEER.get(key):
        return getattr(row.peer, attribute, "")
    if key == "reason":
        return records.reason(row)
    if key == "port":
        return row.local_port if row.role == "server" else row.remote_port
    return getattr(row, "time" if key in {"first_seen", "last_seen"} else key, None)


def _event_number(row: RequestEvent | FailureEvent) -> int:
    """The same for the same event, also in another answer."""
    what = row.request if isinstance(row, RequestEvent) else row.reason
    ends = f"{row.time} {row.pid} {row.local_ip} {row.local_port} {row.remote_ip} {row.remote_port} {what}"
    return int.from_bytes(blake2b(ends.encode(errors="replace"), digest_size=6).digest())


def _event_peer(r: Record) -> str:
    return fmt.endpoint(_of_cluster(r) or fmt.text(r["name"] or r["remote_ip"]), r["remote_port"])


EVENTS: Final = Table(
    name="events",
    title="Slow or failed requests, and connections that did not come to be",
    columns=(
        Column("time", "TIME", lambda r: fmt.clock(r["time"])),
        WORKLOAD,
        PROCESS,
        Column("role", "ROLE", lambda r: str(r["role"]), rank=3),
        Column("remote_ip", "PEER", _event_peer, least=22, keep_end=True),
        Column("reason", "WHY", _text("reason")),
        number("duration_ns", "TOOK", fmt.duration),
        Column("operation", "REQUEST", lambda r: fmt.text(r.get("request") or r.get("operation") or "-"), least=16),
        Column("status", "STATUS", lambda r: fmt.text(r.get("status") or "-"), rank=1),
    ),
    sort="time",
    rows=_events,
    value=_event_value,
    record=records.event,
    number=_event_number,
    filters=(*_COMMON, *_PEERS, "status", "reason"),
    sortable=("time", "duration_ns", "workload", "name", "role"),
    empty="No slow or failed request and no failed connection was seen yet.",
)

TABLES: Final = {table.name: table for table in (FLOWS, REQUESTS, DNS, EXTERNAL)}
