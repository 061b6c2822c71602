"""What is told of the first time that something is seen, and to whom."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from kindling.config.names import check_network
from kindling.config.schema import SECRET
from kindling.config.server import NO_FILE
from kindling.errors import SettingError

AlertKind = Literal["destination", "direct", "port", "plaintext", "resolver"]
WebhookFormat = Literal["json", "slack"]
WebhookAuth = Literal["bearer", "signature"]

ALERT_KINDS: Final[tuple[AlertKind, ...]] = get_args(AlertKind)
#: Lines go to standard output.
STDOUT: Final = Path("-")
_PATTERN_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Allow:
    """What never alerts. All that is written must fit; at least one thing must be."""

    destination: str = ""
    """Name, or address where no name is known; `*` stands for any text: `*.example.org`."""
    workload: str = ""
    """Name of the workload, with `*`."""
    namespace: str = ""
    """Namespace of the workload, with `*`."""
    cidr: str = ""
    """Range that the remote address is in: `10.0.0.0/8`, or a single address."""
    port: int = 0
    """Port of the service; 0 for any."""
    kinds: tuple[AlertKind, ...] = ()
    """Kinds that are meant; none for all."""

    def __post_init__(self) -> None:
        for name in ("destination", "workload", "namespace"):
            if len(getattr(self, name)) > _PATTERN_MAX:
                raise SettingError(f"The {name} of an allow-list entry is longer than {_PATTERN_MAX} characters.")
        if self.cidr:
            check_network(self.cidr)
        if not 0 <= self.port <= 65_535:
            raise SettingError("The port of an allow-list entry must be between 0 and 65535.")
        if not (self.destination or self.workload or self.namespace or self.cidr or self.port):
            raise SettingError(
                "An allow-list entry needs destination, workload, namespace, cidr or port.",
                hint="To switch a kind off, leave it out of alerts.kinds.",
            )


@dataclass(frozen=True, slots=True)
class AlertLines:
    """Alerts as JSON, a line each."""

    path: Path = NO_FILE
    """File to which lines are appended; `-` for standard output; empty for none. SIGHUP opens it again."""
    kinds: tuple[AlertKind, ...] = ALERT_KINDS
    """Kinds that are written."""
    queue: int = 10_000
    """Alerts that may wait for a slow disk or reader. Beyond that new ones are dropped, and counted."""

    def __post_init__(self) -> None:
        if self.queue < 1:
            raise SettingError("alerts.lines.queue must be at least 1.")

    @property
    def enabled(self) -> bool:
        return self.path != NO_FILE


@dataclass(frozen=True, slots=True)
class Webhook:
    """Alerts as HTTP requests (POST)."""

    url: str = field(default="", metadata=SECRET)
    """Where to; empty for none. Whoever knows the address of a chat's webhook can write to it: better in `url_file`."""
    url_file: Path = NO_FILE
    """Holds the address, when it is a secret. It is read anew for each request."""
    format: WebhookFormat = "json"
    """`json`, or `slack`: a text, as Slack, Mattermost, Rocket.Chat and others take it."""
    kinds: tuple[AlertKind, ...] = ALERT_KINDS
    """Kinds that are sent."""
    secret_file: Path = NO_FILE
    """Holds a secret of 16 or more characters. It is read anew for each request."""
    auth: WebhookAuth = "bearer"
    """What the secret is for: `bearer` sends it (`Authorization: Bearer`), `signature` signs with it (HMAC-SHA256)."""
    ca_file: Path = NO_FILE
    """Authorities (PEM) that the server's certificate may come from; else those of the system."""
    timeout: float = 10.0
    """Time that a request may take in all."""
    batch: int = 50
    """Most alerts in one request."""
    queue: int = 1_000
    """Alerts that may wait. Beyond that new ones are dropped, and counted."""
    retry_seconds: float = 3_600.0
    """So long what could not be delivered is tried again."""
    backoff_seconds: float = 1.0
    """Longest pause after the first failure; it doubles with each, and lasts between nothing and that."""
    backoff_max_seconds: float = 60.0
    """The pause grows no longer than that."""
    stop_seconds: float = 3.0
    """Time in which what is left is sent when the agent stops."""

    def __post_init__(self) -> None:
        if self.url and self.url_file != NO_FILE:
            raise SettingError("alerts.webhook has a url and a url_file.", hint="Leave one of them out.")
        if self.url:
            check_url(self.url)
        for name in ("timeout", "retry_seconds", "backoff_seconds", "backoff_max_seconds", "stop_seconds"):
            if not 0 < getattr(self, name) <= 86_400:
                raise SettingError(f"alerts.webhook.{name} must be above 0, and at most a day.")
        if not 1 <= self.batch <= 1_000:
            raise SettingError("alerts.webhook.batch must be between 1 and 1000.")
        if self.queue < 1:
            raise SettingError("alerts.webhook.queue must be at least 1.")

    @property
    def enabled(self) -> bool:
        return bool(self.url) or self.url_file != NO_FILE


@dataclass(frozen=True, slots=True)
class Alerts:
    """What a workload does for the first time. Everything is told once."""

    enabled: bool = True
    """Look for it, and count it in `kindling_external_new_total`."""
    kinds: tuple[AlertKind, ...] = ALERT_KINDS
    """`destination`: new to the workload. `port`: a known destination at a new port. `direct`: an address that no DNS
    answer gave, and no name is known of. `plaintext`: HTTP without TLS to a public address. `resolver`: DNS to a
    server that is none of `resolvers`."""
    allow: tuple[Allow, ...] = ()
    """What never alerts."""
    resolvers: tuple[str, ...] = ()
    """Addresses or networks of DNS servers. Without any: those of `/etc/resolv.conf` and of systemd-resolved. This
    host's own addresses always are."""
    direct_scopes: tuple[Literal["public", "private", "link-local"], ...] = ("public",)
    """Where an address must be for `direct`."""
    settle_seconds: float = 3.0
    """So long a new connection may take to become known by name, before it is judged."""
    warmup_seconds: float = 600.0
    """So long after its start the agent says nothing of kind `direct`: programs know names from before."""
    lines: AlertLines = field(default_factory=AlertLines)
    webhook: Webhook = field(default_factory=Webhook)

    def __post_init__(self) -> None:
        for text in self.resolvers:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                raise SettingError(
                    f"{text!r} in alerts.resolvers is neither an address nor a network.",
                    hint="Write for example 192.0.2.53 or 10.0.0.0/24.",
                ) from None
        for name in ("settle_seconds", "warmup_seconds"):
            if not 0 <= getattr(self, name) <= 86_400:
                raise SettingError(f"alerts.{name} must be between 0 and a day.")


def check_url(url: str) -> None:
    """Raises SettingError. The message does not hold the address, which may be a secret."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, sound = urlsplit(""), False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise SettingError("The webhook's address is none.", hint="Write http://HOST/PATH or https://HOST/PATH.")
    if parts.username is not None or parts.fragment:
        raise SettingError(
            "The webhook's address must have no user and no fragment.",
            hint="Put the secret into alerts.webhook.secret_file.",
        )
