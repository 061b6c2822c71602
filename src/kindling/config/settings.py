"""Settings of an agent or a replay. Checked once, then never changed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from kindling.config.alerts import Alerts
from kindling.config.inventory import Inventory
from kindling.config.kubernetes import Kubernetes
from kindling.config.limits import Limits
from kindling.config.metrics import Metrics
from kindling.config.names import NameSettings
from kindling.config.otlp import Otlp
from kindling.config.persistence import Persistence
from kindling.config.recycling import Recycling
from kindling.config.server import Server
from kindling.errors import SettingError

DEFAULT_LISTEN = "127.0.0.1:9500"
DEFAULT_DATA = Path("/var/lib/kindling")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file, the environment and the command line set."""

    listen: str = DEFAULT_LISTEN
    """HOST:PORT of the agent's own HTTP server; `[::1]:9500` for IPv6."""
    data: Path = DEFAULT_DATA
    """Where the list of destinations is kept. Created if absent; one agent per directory."""
    interval: float = 1.0
    """Seconds between two readings of the probe's tables."""
    query_timeout: float = 5.0
    """Seconds after which a UDP query counts as unanswered."""
    limits: Limits = field(default_factory=Limits)
    recycling: Recycling = field(default_factory=Recycling)
    inventory: Inventory = field(default_factory=Inventory)
    alerts: Alerts = field(default_factory=Alerts)
    metrics: Metrics = field(default_factory=Metrics)
    names: NameSettings = field(default_factory=NameSettings)
    server: Server = field(default_factory=Server)
    persistence: Persistence = field(default_factory=Persistence)
    otlp: Otlp = field(default_factory=Otlp)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)

    def __post_init__(self) -> None:
        if not 0.01 <= self.interval <= 60:
            raise SettingError("The interval must be between 0.01 and 60 seconds.")
        if self.query_timeout <= 0:
            raise SettingError("The query timeout must be positive.")
        parse_listen(self.listen)

    @property
    def host(self) -> str:
        return parse_listen(self.listen)[0]

    @property
    def port(self) -> int:
        return parse_listen(self.listen)[1]


def parse_listen(text: str) -> tuple[str, int]:
    """Split `HOST:PORT` or `[v6]:PORT`. Port 0 lets the kernel choose one."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise SettingError(f"Cannot listen on {text!r}.", hint="Write HOST:PORT, for example 127.0.0.1:9500.")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise SettingError(f"{host!r} is not an IPv6 address.") from None
    elif ":" in host:
        raise SettingError(f"Cannot listen on {text!r}.", hint="Write IPv6 addresses as [address]:PORT.")
    return host or "0.0.0.0", int(port)  # noqa: S104 -- the user asked for every address by naming none
