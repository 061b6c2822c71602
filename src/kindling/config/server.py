"""How the agent answers over HTTP, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kindling.errors import SettingError

NO_FILE: Final = Path()
"""No file was named."""


@dataclass(frozen=True, slots=True)
class Server:
    """Who may ask, and how much. On loopback everybody may, unless a token or authorities are named here."""

    token_file: Path = NO_FILE
    """Holds the bearer tokens that open `/api` and the page, one a line. It is read again when it changes."""
    tls_cert: Path = NO_FILE
    """Certificate (PEM, with its chain): the agent then speaks HTTPS only."""
    tls_key: Path = NO_FILE
    """The certificate's key, when it is in a file of its own."""
    client_ca: Path = NO_FILE
    """Authorities (PEM) of client certificates: whoever shows one of theirs needs no token."""
    no_auth: bool = False
    """Answer everybody on an address other hosts can reach, too."""
    metrics_auth: bool = False
    """Ask for token or certificate on `/metrics` as on `/api`."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the agent is asked, beside its addresses and `localhost`; `*.example.org` for all below."""
    max_connections: int = 64
    """Open at a time; beyond it the one that was idle for longest is closed."""
    connections_per_peer: int = 32
    """The same for one address."""
    max_streams: int = 16
    """Live streams at a time."""
    requests_per_second: float = 50.0
    """That one address may ask of `/api`, on average."""
    request_burst: int = 200
    """Requests it may ask at once."""
    header_seconds: float = 10.0
    """Time in which a request has to arrive."""
    idle_seconds: float = 75.0
    """A connection without a request is closed after that time."""
    unread_seconds: float = 20.0
    """A reader that takes nothing of its answer for that long is cut off."""
    max_unread_bytes: int = 16 << 20
    """Answers kept for slow readers, in all; beyond it the slowest is cut off."""

    def __post_init__(self) -> None:
        if self.tls_key != NO_FILE and self.tls_cert == NO_FILE:
            raise SettingError("A TLS key was named without its certificate.", hint="Name it with --tls-cert.")
        if self.client_ca != NO_FILE and self.tls_cert == NO_FILE:
            raise SettingError(
                "Client certificates need TLS.", hint="Name the agent's own certificate with --tls-cert and --tls-key."
            )
        if self.no_auth and (self.token_file != NO_FILE or self.client_ca != NO_FILE):
            raise SettingError("--no-auth goes with neither a token nor client certificates.")
        for name in ("max_connections", "connections_per_peer", "max_streams", "request_burst", "max_unread_bytes"):
            if getattr(self, name) < 1:
                raise SettingError(f"server.{name} must be at least 1.")
        for name in ("requests_per_second", "header_seconds", "idle_seconds", "unread_seconds"):
            if getattr(self, name) <= 0:
                raise SettingError(f"server.{name} must be more than 0.")

    @property
    def asks(self) -> bool:
        """Whether callers have to say who they are."""
        return self.token_file != NO_FILE or self.client_ca != NO_FILE
