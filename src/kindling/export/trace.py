"""Single requests as a gauge: the last slow or failed one of each label set, until it is old.

Unlike a gauge that is emptied when it is read, this one shows the same to every scraper. Users list external addresses
by counting this family, so every address outside this host has a series of its own here too (`AddressSection`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Final

from kindling.export import families as f
from kindling.export.budget import Account, Budget
from kindling.export.lines import prefixed
from kindling.export.peers import Endpoints, side, there, translated
from kindling.export.section import PIECE, Section, Series, Totals
from kindling.export.text import labels
from kindling.model import FlowRow, OpRow, RequestEvent

_MS: Final = 1_000_000

#: Share of the budget that single requests have; the newest ones are kept.
_SHARE: Final = 0.05

#: What the contract calls the protocol of a connection whose messages are not read.
UNREAD: Final = "NOSUPPORT"
_READ: Final = frozenset({"http", "dns", "ntp"})


def duration_status(nanoseconds: int) -> str:
    """1 normal, 2 warning, 3 abnormal, of the whole request."""
    return _status(nanoseconds, 800, 1500)


def part_status(nanoseconds: int) -> str:
    """The same of the transfer of the request, the time to the first byte, the transfer of the response."""
    return _status(nanoseconds, 200, 1000)


def _status(nanoseconds: int, warning_ms: int, abnormal_ms: int) -> str:
    if nanoseconds > abnormal_ms * _MS:
        return "3"
    return "2" if nanoseconds > warning_ms * _MS else "1"


class TraceSeries:
    """Label text -> (duration, time), least lately seen first."""

    def __init__(self, budget: Budget, node: str) -> None:
        self.evicted = 0
        self._account: Account = budget.account(_SHARE)
        self._node = node
        self._series: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._series)

    def add(self, events: Iterable[RequestEvent], endpoints: Endpoints) -> None:
        """Oldest first."""
        for event in events:
            text = labels(f.TRACE_LABELS, trace_labels(event, self._node, endpoints))
            self._series[text] = (event.duration_ns, event.time)
            self._series.move_to_end(text)
        while len(self._series) > self._account.guaranteed:
            self._series.popitem(last=False)
            self.evicted += 1
        self._account.used = len(self._series)

    def forget(self, before: float) -> None:
        """Give up what is older."""
        while self._series and next(iter(self._series.values()))[1] < before:
            self._series.popitem(last=False)
        self._account.used = len(self._series)

    def lines(self) -> Iterator[str]:
        """In pieces."""
        name = f.TRACE.name
        remaining = iter(self._series.items())
        while some := list(islice(remaining, PIECE)):
            yield "".join([f"{name}{{{text}}} {duration}\n" for text, (duration, _) in some])


class News:
    """What has come to a list of recent requests since the last look."""

    def __init__(self) -> None:
        self._last: RequestEvent | None = None

    def take(self, recent: Sequence[RequestEvent]) -> list[RequestEvent]:
        """Oldest first; `recent` has the newest last."""
        if not recent or recent[-1] is self._last:
            return []
        fresh = list(takewhile(lambda event: event is not self._last, reversed(recent)))
        self._last = recent[-1]
        return fresh[::-1]


def trace_labels(event: RequestEvent, node: str, endpoints: Endpoints) -> Mapping[str, str]:
    """Source is the client, destination the server, whichever of them is on this host."""
    here = side(event.workload, node, event.local_ip, event.service)
    is_server = event.role == "server"
    dnat: dict[str, str] = {}
    if is_server:
        source, target = there(event.peer).at(event.remote_ip), here
        port = event.local_port
    else:
        far = endpoints.there(event.remote_ip, event.remote_port, event.peer)
        source, target = here, far.at(event.remote_ip)
        port = event.remote_port
        dnat = translated(event.remote_ip, event.remote_port, event.peer)
    return {
        **prefixed("src_", source),
        **prefixed("dst_", target),
        "dst_port": str(port),
        **dnat,
        "protocol": event.protocol,
        "is_server": "true" if is_server else "false",
        "request_content": event.content,
        "response_content": event.status,
        "request_duration_status": duration_status(event.duration_ns),
        "request_reqxfer_status": part_status(event.send_ns),
        "request_processing_status": part_status(event.wait_ns),
        "response_rspxfer_status": part_status(event.receive_ns),
    }


class AddressSection(Section[FlowRow]):
    """Every address outside this host that a workload talked to, or tried to.

    Its value is the mean duration: of the requests where they are read, else of the attempts to connect, else 0.
    What is said of single requests (content, status) is empty.
    """

    families = (f.TRACE,)
    cost = 1
    share = 0.15
    folds = False

    def takes(self, row: FlowRow) -> bool:
        return row.labels.outside

    def key(self, row: FlowRow, level: int) -> Hashable:
        del level
        flow = row.labels
        return (flow.workload, flow.workload.container_id, flow.local_ip, flow.remote_ip, flow.port, _protocol(row))

    def text(self, row: FlowRow, level: int) -> str:
        del level
        flow = row.labels
        return labels(
            f.TRACE_LABELS,
            {
                **prefixed("src_", side(flow.workload, self.node, flow.local_ip)),
                "dst_ip": flow.remote_ip,
                "dst_port": str(flow.port),
                "protocol": _protocol(row),
                "is_server": "false",
            },
        )

    def values(self, row: FlowRow) -> Totals:
        del row
        return ()

    def lines(self, ops: Iterable[OpRow]) -> Iterator[str]:
        """In pieces, without the family's heading."""
        name = f"{f.TRACE.name}{{"
        asked = _requests_by_address(ops)

        def mean(series: Series[FlowRow]) -> str:
            row = series.rows[0]
            ns = count = 0
            if row.labels.protocol in _READ:
                for op in asked.get(row.labels.remote_ip, ()):
                    if op.labels.port == row.labels.port and op.labels.workload == row.labels.workload:
                        ns += op.duration_ns
                        count += op.count
            if not count:
                ns, count = sum([r.connect_ns for r in series.rows]), sum([r.connect_count for r in series.rows])
            return f"{name}{series.text}}} {ns // count if count else 0}\n"

        yield from self.pieces(mean)


def _protocol(row: FlowRow) -> str:
    return row.labels.protocol if row.labels.protocol in _READ else UNREAD


def _requests_by_address(ops: Iterable[OpRow]) -> dict[str, list[OpRow]]:
    """Requests of clients."""
    found: dict[str, list[OpRow]] = {}
    for row in ops:
        if row.labels.role == "client":
            found.setdefault(row.labels.remote_ip, []).append(row)
    return found
