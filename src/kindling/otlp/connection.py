"""The socket to a collector: an attempt on it ends in time, whatever the other side does."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from kindling.config import NO_FILE, Otlp
from kindling.errors import SettingError

_RECEIVE = 65_536


class TimedOut(OSError):  # noqa: N818 -- what happened
    """The collector took too long."""

    def __str__(self) -> str:
        return "no answer in time"


@dataclass(frozen=True, slots=True)
class Address:
    """Of a collector."""

    host: str
    port: int
    tls: bool
    path: str
    """Without a slash at its end."""

    @property
    def authority(self) -> str:
        """As in a Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(settings: Otlp) -> Address:
    """Ports of the specification: 4317 for gRPC, 4318 for HTTP."""
    url = urlsplit(settings.endpoint)
    port = url.port or (4317 if settings.protocol == "grpc" else 4318)
    return Address(url.hostname or "", port, url.scheme == "https", url.path.rstrip("/"))


def tls_context(settings: Otlp, *protocols: str) -> ssl.SSLContext:
    """Raises SettingError for files that cannot be used."""
    try:
        context = ssl.create_default_context(
            cafile=None if settings.ca_file == NO_FILE else str(settings.ca_file),
        )
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            f"The authorities in {settings.ca_file} cannot be used: {error}.", hint="otlp.ca_file holds PEM."
        ) from None
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert != NO_FILE:
        key = None if settings.client_key == NO_FILE else str(settings.client_key)
        try:
            context.load_cert_chain(str(settings.client_cert), key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise SettingError(
                f"The certificate {settings.client_cert} cannot be used: {error}.",
                hint="otlp.client_cert and otlp.client_key hold PEM, not encrypted.",
            ) from None
    context.set_alpn_protocols(list(protocols))
    return context


def _no_password() -> str:
    """Nobody is there to type one."""
    return ""


class Connection:
    """One TCP or TLS connection with a deadline for each attempt."""

    def __init__(self, address: Address, context: ssl.SSLContext | None, deadline: float) -> None:
        """Raises OSError."""
        self._deadline = deadline
        plain = socket.create_connection((address.host, address.port), timeout=self._left())
        self._socket: socket.socket = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                plain.settimeout(self._left())
                self._socket = context.wrap_socket(plain, server_hostname=address.host)
        except BaseException:
            plain.close()
            raise

    def until(self, deadline: float) -> None:
        """For the attempt that begins."""
        self._deadline = deadline

    def send(self, data: bytes) -> None:
        """Raises OSError."""
        view = memoryview(data)
        while view:
            self._socket.settimeout(self._left())
            view = view[self._socket.send(view) :]

    def receive(self) -> bytes:
        """b"" when the other side has ended. Raises OSError."""
        self._socket.settimeout(self._left())
        return self._socket.recv(_RECEIVE)

    def waiting(self) -> bytes | None:
        """What is there to be read; None when there is nothing, b"" when the other side has ended."""
        try:
            self._socket.settimeout(0)
            return self._socket.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError:
            return b""

    def abort(self) -> None:
        """From another thread: whoever waits here wakes with an error."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimedOut
        return left


def why(error: OSError) -> str:
    """An error in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__
