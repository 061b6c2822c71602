"""OTLP/HTTP with protobuf (OTLP specification, "OTLP/HTTP"): a POST per export on a connection that is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

import h11

from kindling.config import Otlp
from kindling.otlp.connection import Connection, TimedOut
from kindling.otlp.kept import MAX_ANSWER, USER_AGENT, KeptTransport
from kindling.otlp.messages import partial_success, rpc_status
from kindling.otlp.outcome import Delivered, Outcome, Refused, Retry
from kindling.wire.http import retry_after

#: "Retryable Response Codes".
RETRYABLE: Final = frozenset({429, 502, 503, 504})


@dataclass(slots=True)
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class HttpTransport(KeptTransport):
    alpn = "http/1.1"
    speech = "HTTP"
    misspoken = h11.ProtocolError

    def __init__(self, settings: Otlp) -> None:
        """Raises SettingError."""
        super().__init__(settings)
        self._machine = h11.Connection(h11.CLIENT)

    def _attempt(self, signal: str, body: bytes, deadline: float) -> Outcome:
        """POST, and what the answer means."""
        answer = self._ask(f"{self._address.path}/v1/{signal}", body, deadline)
        return outcome(answer, time.time())

    def _ask(self, path: str, body: bytes, deadline: float) -> Answer:
        headers = [
            ("host", self._address.authority),
            ("user-agent", USER_AGENT),
            ("content-type", "application/x-protobuf"),
            *self._headers.get(),
        ]
        body = self._packed(body)
        if self._gzip:
            headers.append(("content-encoding", "gzip"))
        headers.append(("content-length", str(len(body))))
        connection = self._connected(deadline)
        request = h11.Request(method="POST", target=path, headers=headers)
        connection.send((self._machine.send(request) or b"") + (self._machine.send(h11.Data(data=body)) or b""))
        connection.send(self._machine.send(h11.EndOfMessage()) or b"")
        answer = self._answer(connection)
        if self._machine.our_state is h11.DONE and self._machine.their_state is h11.DONE:
            self._machine.start_next_cycle()
        else:
            self.close()
        return answer

    def _connected(self, deadline: float) -> Connection:
        if self._connection is not None and self._connection.waiting() is None:
            self._connection.until(deadline)
            return self._connection
        self._machine = h11.Connection(h11.CLIENT)
        return self._connect(deadline)

    def _answer(self, connection: Connection) -> Answer:
        answer = Answer()
        while True:
            event = self._machine.next_event()
            if event is h11.NEED_DATA:
                self._machine.receive_data(connection.receive())
            elif isinstance(event, h11.Response):
                answer.status = event.status_code
                answer.headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in event.headers}
            elif isinstance(event, h11.Data):
                answer.body += event.data
                if len(answer.body) > MAX_ANSWER:
                    raise TimedOut
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return answer


def outcome(answer: Answer, now: float) -> Outcome:
    """`now`: unix seconds, for a Retry-After that is a date."""
    protobuf = answer.headers.get("content-type", "").startswith("application/x-protobuf")
    body = bytes(answer.body)
    if 200 <= answer.status < 300:
        return Delivered(partial_success(body)) if protobuf else Delivered()
    status = rpc_status(body) if protobuf else None
    reason = f"HTTP {answer.status}" + (f": {status.message}" if status and status.message else "")
    if answer.status in RETRYABLE:
        asked = retry_after(answer.headers.get("retry-after", ""), now)
        return Retry(reason, asked if asked is not None or status is None else status.retry_after)
    if not answer.status:
        return Retry("it ended the connection without an answer")
    return Refused(reason)
