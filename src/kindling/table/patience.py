"""Slots that refer to something that is not in shared memory yet.

The probe enters owner, name, flow and operation one after the other; a reading may fall between.
Such a slot waits, unread, for a few readings: nothing is lost, its counters only grow.
"""

from __future__ import annotations

from typing import Final

_READINGS: Final = 3


class Patience:
    def __init__(self) -> None:
        self._waited: dict[int, tuple[int, float]] = {}
        """Readings, and the time of the first one."""

    def since(self, slot: int, now: float) -> float:
        """When the slot was first met."""
        return self._waited.get(slot, (0, now))[1]

    def wait(self, slot: int, now: float = 0.0) -> bool:
        """Whether to wait for one more reading."""
        waited, since = self._waited.get(slot, (0, now))
        if waited >= _READINGS:
            del self._waited[slot]
            return False
        self._waited[slot] = waited + 1, since
        return True

    def hold(self, slot: int, now: float) -> None:
        """Wait for what somebody else has the patience for."""
        self._waited.setdefault(slot, (0, now))

    def found(self, slot: int) -> None:
        self._waited.pop(slot, None)

    def __len__(self) -> int:
        return len(self._waited)
