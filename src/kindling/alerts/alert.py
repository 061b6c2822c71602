"""What is told, and how. docs/alerts.md describes the record."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from kindling.export.records import workload as workload_record
from kindling.model import Sighting

if TYPE_CHECKING:
    from kindling.config import AlertKind

#: Raised when a field changes its meaning; new fields may come at any time.
SCHEMA: Final = "kindling.alert/1"

_SAID: Final[dict[AlertKind, str]] = {
    "destination": "{who} reached {where} for the first time",
    "port": "{who} reached {where} at a new port",
    "direct": "{who} reached {where} by its address, without any DNS answer",
    "plaintext": "{who} speaks HTTP without TLS to {where}",
    "resolver": "{who} asks {where} for names, which is no configured resolver",
}


@dataclass(frozen=True, slots=True)
class Alert(Sighting["AlertKind"]):
    """Something that was seen for the first time."""

    @property
    def key(self) -> str:
        """What is told once for each kind."""
        who = self.workload
        port = 0 if self.kind in {"direct", "resolver"} else self.port
        return json.dumps([who.kind, who.namespace, who.name, who.container, self.destination, port])

    def id(self, node: str) -> str:
        """The same for the same alert, should it be sent twice; 32 hexadecimal digits."""
        return blake2b(json.dumps([node, self.kind, self.key]).encode(), digest_size=16).hexdigest()

    def summary(self) -> str:
        """A sentence for people."""
        who = "/".join(filter(None, (self.workload.namespace, self.workload.name)))
        where = f"[{self.address}]" if ":" in self.address and self.destination == self.address else self.destination
        return _SAID[self.kind].format(who=who, where=f"{where}:{self.port}")

    def record(self, node: str) -> dict[str, Any]:
        """As JSON."""
        when = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds")
        return {
            "schema": SCHEMA,
            "id": self.id(node),
            "kind": self.kind,
            "time": when.replace("+00:00", "Z"),
            "node": node,
            "summary": self.summary(),
            **workload_record(self.workload),
            "destination": self.destination,
            "address": self.address,
            "port": self.port,
            "transport": self.transport,
            "protocol": self.protocol,
            "scope": self.scope,
            "network": self.network,
            "evidence": self.evidence,
        }


def json_line(alert: Alert, node: str) -> bytes:
    """ASCII: whatever names from the network hold does nothing to a terminal or a log."""
    return json.dumps(alert.record(node), separators=(",", ":")).encode("ascii") + b"\n"


def json_body(alerts: Iterable[Alert], node: str) -> bytes:
    """Of the generic webhook."""
    records = [alert.record(node) for alert in alerts]
    return json.dumps({"schema": SCHEMA, "node": node, "alerts": records}, separators=(",", ":")).encode("ascii")


def slack_body(alerts: Iterable[Alert], node: str) -> bytes:
    """Text for people; what Slack would take for markup is escaped (api.slack.com, "Formatting text")."""
    lines = [f"*{alert.kind}* {_slack(alert.summary())}" for alert in alerts]
    return json.dumps({"text": "\n".join([f"Kindling on {_slack(node)}:", *lines])}).encode("ascii")


def _slack(text: str) -> str:
    for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(char, name)
    # emphasis, code and links are made of these; a zero-width space in front takes their meaning
    return "".join(f"\u200b{char}" if char in "*_~`" else char for char in text)
