"""Events of the ring to records: slow or failed requests, failed connections, DNS answers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from kindling.model.codes import FAILURE_NAMES, OP_OTHER, EventKind
from kindling.model.dns import DnsAnswer
from kindling.model.events import FailureEvent, RequestEvent
from kindling.model.workload import UNKNOWN, Workload
from kindling.protocols import by_number, dns
from kindling.table.address import address_text
from kindling.table.naming import ROLES, transport_name
from kindling.table.records import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kindling.config import Limits
    from kindling.model.peer import Peer
    from kindling.table.clock import Moment
    from kindling.table.flows import FlowTable
    from kindling.table.journal import Journal
    from kindling.table.names import Names
    from kindling.table.naming import FlowNaming
    from kindling.table.owners import Owners
    from kindling.table.resolved import ResolvedNames


class Events:
    """Keeps the most recent ones of each kind."""

    def __init__(
        self,
        dtype: Callable[[str], np.dtype[np.void]],
        owners: Owners,
        names: Names,
        flows: FlowTable,
        resolved: ResolvedNames,
        naming: FlowNaming,
        limits: Limits,
        lose: Callable[[str], None],
        journal: Journal,
    ) -> None:
        self.requests: deque[RequestEvent] = deque(maxlen=limits.recent_requests)
        self.failures: deque[FailureEvent] = deque(maxlen=limits.recent_failures)
        self.answers: deque[DnsAnswer] = deque(maxlen=limits.recent_answers)
        self.seen = 0
        self._head = dtype("event_head")
        self._request = dtype("event_request")
        self._failure = dtype("event_failure")
        self._dns = dtype("event_dns")
        self._owners = owners
        self._names = names
        self._flows = flows
        self._resolved = resolved
        self._naming = naming
        self._lose = lose
        self._journal = journal

    def restore(self, answers: Iterable[Answer]) -> None:
        """Learn what another process had learned."""
        for answer in answers:
            self._learn(answer)

    def learn(self, events: Iterable[bytes], moment: Moment) -> list[bytes]:
        """Takes the DNS answers, before names are given to new flows; the other events come back."""
        others: list[bytes] = []
        for event in events:
            self.seen += 1
            if len(event) < self._head.itemsize:
                self._lose("event_unreadable")
            elif int.from_bytes(event[:2], "little") == EventKind.DNS:
                self._answer(event, moment)
            else:
                others.append(event)
        return others

    def record(self, events: Iterable[bytes], moment: Moment) -> None:
        """Takes requests and failures, after new flows and operations are known."""
        for event in events:
            kind = int.from_bytes(event[:2], "little")
            if kind == EventKind.REQUEST and len(event) >= self._request.itemsize:
                self.requests.append(self._read_request(event, moment))
            elif kind == EventKind.FAILURE and len(event) >= self._failure.itemsize:
                self.failures.append(self._read_failure(event, moment))
            else:
                self._lose("event_unreadable")

    def _answer(self, event: bytes, moment: Moment) -> None:
        row = _view(event, self._dns)
        if row is None:
            self._lose("event_unreadable")
            return
        length = min(int(row["len"]), row["message"].nbytes)
        message = dns.parse(row["message"].tobytes()[:length])
        if message is None:
            self._lose("event_unreadable")
            return
        head = row["head"]
        workload = self._workload(head, moment)
        client = ROLES.get(int(head["role"])) == "client"
        time = moment.to_unix(int(head["ts"]))
        found = [(address, r.ttl) for r in message.records for address in r.addresses]
        if found and not message.rcode and message.question != ".":
            answer = Answer(workload if client else None, message.question, found, time)
            self._learn(answer)
            self._journal.put(answer)
        self.answers.append(
            DnsAnswer(
                time=time,
                workload=workload,
                pid=int(head["tgid"]),
                server_ip=address_text(head["remote" if client else "local"].tobytes()),
                question=message.question,
                type=message.type,
                rcode=message.rcode,
                records=message.records,
                truncated=message.truncated or int(row["full_len"]) > length,
            )
        )

    def _learn(self, answer: Answer) -> None:
        self._resolved.learn(answer.workload, answer.name, answer.addresses, answer.time)

    def _read_request(self, event: bytes, moment: Moment) -> RequestEvent:
        row = np.frombuffer(event, self._request, 1)[0]
        head = row["head"]
        protocol = by_number(int(head["protocol"]))
        op = int(row["op"])
        operation = None if op == OP_OTHER else self._names.operation(op)
        label = operation.label if operation else "other" if op == OP_OTHER else "?"
        length = min(int(row["request_len"]), row["request_head"].nbytes)
        request = protocol.request(row["request_head"].tobytes()[:length]) if length else label
        status = int(row["status"])
        role = ROLES.get(int(head["role"]), "unknown")
        local_ip, local_port = address_text(head["local"].tobytes()), int(head["local_port"])
        return RequestEvent(
            time=moment.to_unix(int(head["ts"])),
            workload=self._workload(head, moment),
            pid=int(head["tgid"]),
            role=role,
            transport=transport_name(int(head["transport"])),
            protocol=protocol.name,
            local_ip=local_ip,
            local_port=local_port,
            remote_ip=address_text(head["remote"].tobytes()),
            remote_port=int(head["remote_port"]),
            name=self._name(head),
            operation=label,
            content=operation.content if operation else "",
            request=request,
            status=protocol.status(status),
            error=protocol.is_error(status),
            slow=bool(row["slow"]),
            send_ns=int(row["send_ns"]),
            wait_ns=int(row["wait_ns"]),
            receive_ns=int(row["receive_ns"]),
            request_bytes=int(row["request_bytes"]),
            response_bytes=int(row["response_bytes"]),
            peer=self._peer(head, moment),
            service=self._naming.peering.service(role, local_ip, local_port),
        )

    def _read_failure(self, event: bytes, moment: Moment) -> FailureEvent:
        row = np.frombuffer(event, self._failure, 1)[0]
        head = row["head"]
        reason = int(row["reason"])
        workload = self._workload(head, moment)
        remote_ip = address_text(head["remote"].tobytes())
        time = moment.to_unix(int(head["ts"]))
        return FailureEvent(
            time=time,
            workload=workload,
            pid=int(head["tgid"]),
            role=ROLES.get(int(head["role"]), "unknown"),
            transport=transport_name(int(head["transport"])),
            local_ip=address_text(head["local"].tobytes()),
            local_port=int(head["local_port"]),
            remote_ip=remote_ip,
            remote_port=int(head["remote_port"]),
            name=self._name(head) or self._naming.name(workload, remote_ip, time)[0],
            reason=FAILURE_NAMES[reason] if reason < len(FAILURE_NAMES) else "unknown",
            duration_ns=int(row["duration_ns"]),
            peer=self._peer(head, moment),
        )

    def _workload(self, head: Any, moment: Moment) -> Workload:
        local, when = address_text(head["local"].tobytes()), moment.to_unix(int(head["ts"]))
        return self._owners.workload_at(int(head["owner"]), local, when) or UNKNOWN

    def _peer(self, head: Any, moment: Moment) -> Peer | None:
        return self._naming.peering.find(
            ROLES.get(int(head["role"]), "unknown"),
            address_text(head["remote"].tobytes()),
            int(head["remote_port"]),
            transport_name(int(head["transport"])),
            moment.to_unix(int(head["ts"])),
            address_text(head["local"].tobytes()),
        ).peer

    def _name(self, head: Any) -> str:
        row = self._flows.row(int(head["flow"]))
        return row.labels.name if row else ""


def _view(event: bytes, dtype: np.dtype[np.void]) -> Any:
    """The event as its structure; the probe sends only the part of a DNS answer that is in use."""
    if len(event) < dtype.itemsize:
        event = event.ljust(dtype.itemsize, b"\0")
    return np.frombuffer(event, dtype, 1)[0]
