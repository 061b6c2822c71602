"""What /metrics shows, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from kindling.errors import SettingError


@dataclass(frozen=True, slots=True)
class Metrics:
    """Bounds of `/metrics`. What finds no room is counted in `kindling_agent_series_dropped_total`."""

    series: int = 20_000
    """Series that are shown. Beyond that new ones are added up under `other`, those that are gauges are left out."""
    idle_seconds: float = 900.0
    """A series in which nothing happened for so long is no longer shown, until something happens."""

    def __post_init__(self) -> None:
        if self.series < 1_000:
            raise SettingError("metrics.series must be at least 1000.", hint="The agent's own take about 200 of them.")
        if self.idle_seconds < 1:
            raise SettingError("metrics.idle_seconds must be at least 1.")
