"""OTLP/gRPC: unary calls over HTTP/2 (gRPC's PROTOCOL-HTTP2.md), one at a time on a connection that is kept.

The h2 package speaks HTTP/2: it takes a tenth of the memory of grpcio, see docs/otlp.md.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from kindling.config import Otlp
from kindling.errors import SettingError
from kindling.otlp.connection import Connection, TimedOut
from kindling.otlp.http import RETRYABLE
from kindling.otlp.kept import MAX_ANSWER, USER_AGENT, KeptTransport
from kindling.otlp.messages import Status, partial_success, rpc_status
from kindling.otlp.outcome import Delivered, Outcome, Refused, Retry

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions
except ImportError:
    raise SettingError(
        "OTLP over gRPC needs the package h2.",
        hint="Install it with: pip install 'kindling[otlp]'. Or set otlp.protocol to http.",
    ) from None

_METHODS: Final = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
#: "Failures": CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
_RETRYABLE: Final = frozenset({1, 4, 10, 11, 14, 15})
_RESOURCE_EXHAUSTED: Final = 8
"""Worth another attempt only when the collector says when."""


@dataclass(slots=True)
class Call:
    """What has arrived of the answer."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    broken: str = ""


class GrpcTransport(KeptTransport):
    alpn = "h2"
    speech = "HTTP/2"
    misspoken = h2.exceptions.ProtocolError

    def __init__(self, settings: Otlp) -> None:
        """Raises SettingError."""
        super().__init__(settings)
        self._machine = _machine()

    def _attempt(self, signal: str, body: bytes, deadline: float) -> Outcome:
        """A unary call, and what its status means."""
        call = self._ask(_METHODS[signal], self._framed(body), deadline)
        if call.broken:
            self.close()
        return outcome(call)

    def _framed(self, body: bytes) -> bytes:
        """Length-Prefixed-Message: a byte that says whether it is compressed, four of length."""
        body = self._packed(body)
        return struct.pack(">BI", self._gzip, len(body)) + body

    def _ask(self, path: str, message: bytes, deadline: float) -> Call:
        connection = self._connected(deadline)
        machine, call = self._machine, Call()
        stream = machine.get_next_available_stream_id()
        machine.send_headers(stream, self._request_headers(path))
        at = 0
        while at < len(message) and not call.ended:
            room = min(machine.local_flow_control_window(stream), machine.max_outbound_frame_size)
            if room > 0:
                machine.send_data(stream, message[at : at + room], end_stream=at + room >= len(message))
                at += room
                connection.send(machine.data_to_send())
            else:
                self._receive(connection, stream, call)
        while not call.ended:
            self._receive(connection, stream, call)
        return call

    def _request_headers(self, path: str) -> list[tuple[str, str]]:
        headers = [
            (":method", "POST"),
            (":scheme", "https" if self._address.tls else "http"),
            (":authority", self._address.authority),
            (":path", path),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", USER_AGENT),
            ("grpc-timeout", f"{max(1, round(self._timeout * 1000))}m"),
            *self._headers.get(),
        ]
        if self._gzip:
            headers.append(("grpc-encoding", "gzip"))
        return headers

    def _connected(self, deadline: float) -> Connection:
        if self._connection is not None and self._still_open(self._connection, deadline):
            return self._connection
        connection = self._connect(deadline)
        self._machine = _machine()
        self._machine.initiate_connection()
        connection.send(self._machine.data_to_send())
        return connection

    def _still_open(self, connection: Connection, deadline: float) -> bool:
        """Reads what came since the last call: pings, settings, or a farewell."""
        connection.until(deadline)
        try:
            data = connection.waiting()
            while data:
                events = self._machine.receive_data(data)
                if any(isinstance(event, h2.events.ConnectionTerminated) for event in events):
                    return False
                data = connection.waiting()
            connection.send(self._machine.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            return False
        return data is None

    def _receive(self, connection: Connection, stream: int, call: Call) -> None:
        connection.send(self._machine.data_to_send())
        data = connection.receive()
        if not data:
            call.ended, call.broken = True, "it ended the connection without an answer"
            return
        for event in self._machine.receive_data(data):
            self._take(event, stream, call)
        connection.send(self._machine.data_to_send())

    def _take(self, event: h2.events.Event, stream: int, call: Call) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            call.broken = "it said goodbye"
            if event.last_stream_id is not None and event.last_stream_id < stream:
                call.ended = True
        elif getattr(event, "stream_id", None) != stream:
            return
        elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            call.headers |= {_text(name): _text(value) for name, value in event.headers or ()}
        elif isinstance(event, h2.events.DataReceived):
            call.body += event.data or b""
            self._machine.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            if len(call.body) > MAX_ANSWER:
                raise TimedOut
        elif isinstance(event, h2.events.StreamEnded):
            call.ended = True
        elif isinstance(event, h2.events.StreamReset):
            call.ended, call.broken = True, "it reset the call"


def outcome(call: Call) -> Outcome:
    """By grpc-status, or, where a proxy answered, by the status of HTTP ("HTTP to gRPC Status Code Mapping")."""
    code = call.headers.get("grpc-status", "")
    if not code.isdecimal():
        http = call.headers.get(":status", "")
        if http in {"", "200"} or (http.isdecimal() and int(http) in RETRYABLE):
            return Retry(call.broken or f"HTTP {http or 'without status'}, no gRPC status")
        return Refused(f"HTTP {http}")
    number = int(code[:3])
    if number == 0:
        return Delivered(partial_success(_message(bytes(call.body))))
    details = _details(call.headers.get("grpc-status-details-bin", ""))
    message = unquote(call.headers.get("grpc-message", "")) or details.message
    reason = f"gRPC status {number}" + (f": {message}" if message else "")
    if number in _RETRYABLE or (number == _RESOURCE_EXHAUSTED and details.retry_after is not None):
        return Retry(reason, details.retry_after)
    return Refused(reason)


def _message(body: bytes) -> bytes:
    """We accept no compression: it is plain."""
    return body[5:] if len(body) >= 5 and not body[0] else b""


def _details(text: str) -> Status:
    """Base64, with or without padding."""
    try:
        return rpc_status(base64.b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return Status()


def _machine() -> h2.connection.H2Connection:
    return h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("latin-1")
