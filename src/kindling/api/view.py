"""What the HTTP face needs to see of an agent."""

from __future__ import annotations

from typing import Any, Protocol

from kindling.export.horizon import Horizon
from kindling.export.prometheus import Exporter
from kindling.inventory import Recorder
from kindling.model import Snapshot
from kindling.table.ticks import Ticks


class View(Protocol):
    """Handlers run in the thread that also ticks, and none awaits while it reads a snapshot: what
    they see belongs to one moment.
    """

    @property
    def exporter(self) -> Exporter: ...

    @property
    def horizon(self) -> Horizon: ...

    @property
    def inventory(self) -> Recorder | None: ...

    @property
    def ticks(self) -> Ticks: ...

    def snapshot(self) -> Snapshot: ...

    def status(self) -> dict[str, Any]:
        """What the agent says of itself, beside the coverage."""

    def healthy(self) -> bool:
        """Whether the tables were read lately."""
