"""Slots whose remote pod is gone, and that are not read for a while.

What they count may be the next pod's, which gets the address seconds later and is told of later still.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_READINGS: Final = 4


class Held:
    def __init__(self) -> None:
        self._left: dict[int, int] = {}
        """Readings, by slot."""

    def hold(self, slot: int) -> None:
        """Once more changes nothing."""
        self._left.setdefault(slot, _READINGS)

    def drop(self, slot: int) -> None:
        """It is known who is there now, or the slot is gone."""
        self._left.pop(slot, None)

    def due(self, *, everything: bool = False) -> list[int]:
        """At every reading: slots for which it was waited long enough; they are dropped."""
        for slot in self._left:
            self._left[slot] -= 1
        due = [slot for slot, left in self._left.items() if everything or left <= 0]
        for slot in due:
            del self._left[slot]
        return due

    def __contains__(self, slot: int) -> bool:
        return slot in self._left

    def __iter__(self) -> Iterator[int]:
        return iter(self._left)

    def __len__(self) -> int:
        return len(self._left)
