"""Settings, a section a module: a frozen dataclass that checks itself; the text under a field documents it."""

from kindling.config.alerts import ALERT_KINDS, AlertKind, AlertLines, Alerts, Allow, Webhook
from kindling.config.inventory import Inventory
from kindling.config.kubernetes import Exclude, Include, Kubernetes, KubernetesMode, Selection
from kindling.config.limits import Limits
from kindling.config.metrics import Metrics
from kindling.config.names import NameSettings, Network, StaticName
from kindling.config.otlp import Otlp, parse_header
from kindling.config.persistence import Persistence
from kindling.config.recycling import Recycling
from kindling.config.server import NO_FILE, Server
from kindling.config.settings import DEFAULT_DATA, DEFAULT_LISTEN, Settings, parse_listen

__all__ = [
    "ALERT_KINDS",
    "DEFAULT_DATA",
    "DEFAULT_LISTEN",
    "NO_FILE",
    "AlertKind",
    "AlertLines",
    "Alerts",
    "Allow",
    "Exclude",
    "Include",
    "Inventory",
    "Kubernetes",
    "KubernetesMode",
    "Limits",
    "Metrics",
    "NameSettings",
    "Network",
    "Otlp",
    "Persistence",
    "Recycling",
    "Selection",
    "Server",
    "Settings",
    "StaticName",
    "Webhook",
    "parse_header",
    "parse_listen",
]
