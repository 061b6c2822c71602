"""Export to an OpenTelemetry collector."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from kindling.config.schema import SECRET
from kindling.config.server import NO_FILE
from kindling.errors import SettingError

OtlpProtocol = Literal["http", "grpc"]
Compression = Literal["gzip", "none"]

_EXAMPLE: Final = "Write http://HOST:4318 for HTTP, http://HOST:4317 for gRPC; https:// with TLS."


@dataclass(frozen=True, slots=True)
class Otlp:
    """Sends metrics and spans over OTLP. Off as long as no endpoint is named."""

    endpoint: str = ""
    """URL of the collector: `http://HOST:4318`, `https://HOST:4317`. Over HTTP `/v1/metrics` and `/v1/traces`
    are appended to it."""
    protocol: OtlpProtocol = "http"
    """`http` (protobuf over HTTP/1.1), or `grpc`, which needs the extra `kindling[otlp]`."""
    metrics: bool = True
    """Send metrics."""
    traces: bool = True
    """Send slow and failed requests as spans."""
    details: bool = True
    """Send the phases, sizes and slow counts of requests too, not only how many there were and how long they took."""
    interval: float = 15.0
    """Seconds between two exports of the metrics that changed."""
    refresh_seconds: float = 240.0
    """Seconds between two exports of all metrics, changed or not."""
    series: int = 20_000
    """Series that are sent. Beyond that new ones are added up under `otel.metric.overflow`."""
    headers: tuple[str, ...] = field(default=(), metadata=SECRET)
    """Sent with each request, written `name: value`."""
    headers_file: Path = NO_FILE
    """Holds more of them, one a line: the place for secrets. It is read again when it changes."""
    compression: Compression = "gzip"
    """Of what is sent."""
    timeout: float = 10.0
    """Seconds in which the collector has to answer."""
    retry_seconds: float = 300.0
    """What could not be delivered for so long is given up, and counted."""
    queue_spans: int = 2_048
    """Spans kept while they cannot be sent. Beyond that the oldest are dropped, and counted."""
    stop_seconds: float = 5.0
    """Time in which what is left is sent when the agent stops."""
    ca_file: Path = NO_FILE
    """Authorities (PEM) that the collector's certificate may come from; else those of the system."""
    client_cert: Path = NO_FILE
    """Certificate (PEM, with its chain) that the agent shows."""
    client_key: Path = NO_FILE
    """The certificate's key, when it is in a file of its own."""
    insecure_skip_verify: bool = False
    """Take any certificate. Whoever is in between can then read and forge all that is sent."""

    def __post_init__(self) -> None:
        if self.endpoint:
            self._check_endpoint()
        if self.protocol not in {"http", "grpc"}:
            raise SettingError(f"otlp.protocol cannot be {self.protocol!r}.", hint="Write http or grpc.")
        if self.compression not in {"gzip", "none"}:
            raise SettingError(f"otlp.compression cannot be {self.compression!r}.", hint="Write gzip or none.")
        for name in ("interval", "refresh_seconds", "timeout", "retry_seconds", "stop_seconds"):
            if not 0 < getattr(self, name) <= 86_400:
                raise SettingError(f"otlp.{name} must be above 0, and at most a day.")
        if self.series < 100:
            raise SettingError("otlp.series must be at least 100.")
        if self.queue_spans < 1:
            raise SettingError("otlp.queue_spans must be at least 1.")
        if self.client_key != NO_FILE and self.client_cert == NO_FILE:
            raise SettingError("otlp.client_key was named without its certificate.", hint="Set otlp.client_cert.")
        for line in self.headers:
            parse_header(line)

    def _check_endpoint(self) -> None:
        try:
            url = urlsplit(self.endpoint)
            ports_fine = url.port is None or url.port > 0
        except ValueError:
            raise SettingError(f"otlp.endpoint {self.endpoint!r} is no URL.", hint=_EXAMPLE) from None
        if url.scheme not in {"http", "https"} or not url.hostname or not ports_fine:
            raise SettingError(f"otlp.endpoint {self.endpoint!r} names no collector.", hint=_EXAMPLE)
        if url.username is not None or url.query or url.fragment:
            raise SettingError(
                "otlp.endpoint must have no user, query or fragment.", hint="Put credentials into otlp.headers_file."
            )
        if self.protocol == "grpc" and url.path.strip("/"):
            raise SettingError("otlp.endpoint must have no path for gRPC.", hint=_EXAMPLE)

    @property
    def enabled(self) -> bool:
        """Whether anything is sent."""
        return bool(self.endpoint) and (self.metrics or self.traces)


def parse_header(line: str) -> tuple[str, str]:
    """Split `name: value`; the name in lower case, as HTTP/2 wants it (RFC 9113 section 8.2.1)."""
    name, colon, value = line.partition(":")
    name, value = name.strip().lower(), value.strip()
    token = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if not colon or not token or not value.isascii() or not value.isprintable():
        raise SettingError("A header of otlp.headers cannot be sent.", hint="Write name: value, in ASCII.")
    return name, value
