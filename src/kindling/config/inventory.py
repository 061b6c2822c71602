"""The durable list of destinations outside this host."""

from __future__ import annotations

from dataclasses import dataclass

from kindling.errors import SettingError


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is kept in `inventory.db` of the data directory, for how long, and how gently it is written."""

    enabled: bool = True
    """Keep the list. Without it `kindling external` has nothing to show."""
    max_entries: int = 50_000
    """Entries kept; beyond that those that were idle longest are forgotten, and counted."""
    retention_days: float = 90.0
    """An entry that was not seen for so long is forgotten."""
    history_days: int = 31
    """Days (UTC) of which the numbers of each day are kept."""
    max_addresses: int = 16
    """Addresses kept of an entry: the newest ones. How many more there were is counted."""
    write_seconds: float = 5.0
    """Least time between two writes."""
    max_cpu: float = 0.008
    """Share of one processor that writing may take; when more has changed, it is written later."""
    max_bytes_per_second: int = 45_000
    """Bytes that writing may take, on average; when more has changed, it is written later."""
    pending_rows: int = 20_000
    """Changed rows kept in memory while the disk cannot be written. Beyond that the changes of rows that are gone
    are lost, and counted."""
    learning_seconds: float = 3_600.0
    """So long after an empty list was begun nothing counts as new."""

    def __post_init__(self) -> None:
        for name in ("max_entries", "max_addresses", "history_days", "max_bytes_per_second", "pending_rows"):
            if getattr(self, name) < 1:
                raise SettingError(f"inventory.{name} must be at least 1.")
        if self.retention_days <= 0:
            raise SettingError("inventory.retention_days must be positive.")
        if not 0.05 <= self.write_seconds <= 3_600:
            raise SettingError("inventory.write_seconds must be between 0.05 and 3600.")
        if not 0 < self.max_cpu <= 1:
            raise SettingError("inventory.max_cpu must be above 0, and at most 1.")
        if self.learning_seconds < 0:
            raise SettingError("inventory.learning_seconds must not be negative.")
