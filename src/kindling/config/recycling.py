"""When slots of the probe are given back."""

from __future__ import annotations

from dataclasses import dataclass

from kindling.errors import SettingError


@dataclass(frozen=True, slots=True)
class Recycling:
    """When idle slots of the probe's tables are given back."""

    idle_seconds: float = 60.0
    """No change for that long: an operation, or a flow without open connections, is idle."""
    idle_open_seconds: float = 3_600.0
    """The same for a flow that still has open TCP connections; under pressure, `idle_seconds`."""
    pressure: float = 0.75
    """Share of used slots beyond which `pressure_idle_seconds` takes the place of `idle_seconds`."""
    pressure_idle_seconds: float = 5.0
    batch: int = 512
    """Most slots given back in one interval."""

    def __post_init__(self) -> None:
        if min(self.idle_seconds, self.idle_open_seconds, self.pressure_idle_seconds) < 0:
            raise SettingError("Idle times must not be negative.")
        if not 0 <= self.pressure <= 1:
            raise SettingError("The recycling pressure must be between 0 and 1.")
        if self.batch < 1:
            raise SettingError("The recycling batch must be at least 1.")
