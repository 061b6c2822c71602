"""What transports have in common: an attempt ends with an outcome, and its connection is kept for the next."""

from __future__ import annotations

import gzip
import time
from abc import ABC, abstractmethod
from typing import ClassVar, Final

import kindling
from kindling.config import Otlp
from kindling.otlp.connection import Connection, address_of, tls_context, why
from kindling.otlp.headers import HeaderSource
from kindling.otlp.outcome import Outcome, Retry

MAX_ANSWER: Final = 1 << 20
USER_AGENT: Final = f"kindling/{kindling.__version__}"
_LEVEL: Final = 5


class KeptTransport(ABC):
    """See Transport."""

    alpn: ClassVar[str]
    speech: ClassVar[str]
    """For people: "HTTP/2"."""
    misspoken: ClassVar[type[Exception]]
    """Raised for an answer that is none."""

    def __init__(self, settings: Otlp) -> None:
        """Raises SettingError."""
        self._address = address_of(settings)
        self._context = tls_context(settings, self.alpn) if self._address.tls else None
        self._headers = HeaderSource(settings)
        self._gzip = settings.compression == "gzip"
        self._timeout = settings.timeout
        self._connection: Connection | None = None

    def send(self, signal: str, body: bytes) -> Outcome:
        """See Transport."""
        deadline = time.monotonic() + self._timeout
        try:
            return self._attempt(signal, body, deadline)
        except OSError as error:
            self.close()
            return Retry(why(error))
        except self.misspoken as error:
            self.close()
            return Retry(f"its answer is no {self.speech} ({error})")

    def abort(self) -> None:
        """See Transport."""
        connection = self._connection
        if connection is not None:
            connection.abort()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @abstractmethod
    def _attempt(self, signal: str, body: bytes, deadline: float) -> Outcome:
        """Asks, and says what the answer means. Raises OSError and `misspoken`."""

    def _connect(self, deadline: float) -> Connection:
        """Open another connection than the one that was kept. Raises OSError."""
        self.close()
        self._connection = Connection(self._address, self._context, deadline)
        return self._connection

    def _packed(self, body: bytes) -> bytes:
        return gzip.compress(body, _LEVEL, mtime=0) if self._gzip else body
