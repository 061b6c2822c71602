"""What could not be counted or shown, by cause, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Losses:
    """Losses of the probe and of the tables in one list."""

    def __init__(self) -> None:
        self.since: dict[str, float] = {}
        self._probe: dict[str, int] = {}
        self._tables: dict[str, int] = {}
        self._now = 0.0

    def begin_tick(self, now: float, probe: Mapping[str, int]) -> None:
        """Takes the probe's totals."""
        self._now = now
        self._probe = {cause: count for cause, count in probe.items() if count}
        for cause in self._probe:
            self.since.setdefault(cause, now)

    def lose(self, cause: str) -> None:
        self._tables[cause] = self._tables.get(cause, 0) + 1
        self.since.setdefault(cause, self._now)

    def tables(self) -> dict[str, int]:
        """Those of the tables in user space alone."""
        return dict(self._tables)

    def restore(self, tables: Mapping[str, int], since: Mapping[str, float]) -> None:
        """Take what another process counted."""
        self._tables.update(tables)
        self.since.update(since)

    def counts(self) -> dict[str, int]:
        """Cause to how often, without what never happened."""
        return {**self._probe, **self._tables}
