"""Which slots of a table are taken, and by which id.

A slot is *live* once the probe has entered its key, *bound* once the collector knows what the
slot stands for. Only the collector's own thread gives slots back, so a bound slot stays what it
is until `vacate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class Occupancy:
    """The heads of one table's slots."""

    def __init__(self, slots: NDArray[np.void]) -> None:
        self.slots = slots
        self.size = len(slots)
        head: Any = slots["head"]
        self._live: NDArray[np.uint32] = head["live"]
        self._id: NDArray[np.uint64] = head["id"]
        self._gen: NDArray[np.uint32] = head["gen"]
        self.bound = np.zeros(self.size, np.bool_)
        self.bound[0] = True  # "other" is always there
        self.ids: NDArray[np.uint64] = np.zeros(self.size, np.uint64)
        """Of the bound slots."""
        self.high = 1
        """Slots from here on were never seen live."""

    @property
    def used(self) -> int:
        """Slots taken, without "other"."""
        return int(np.count_nonzero(self.bound)) - 1

    @property
    def fill(self) -> float:
        """Share of slots taken."""
        return self.used / max(1, self.size - 1)

    def arrivals(self) -> list[int]:
        """Live slots that are not bound yet."""
        self._look_ahead()
        vacant = np.flatnonzero(~self.bound[: self.high])
        if not len(vacant):
            return []
        live: list[int] = vacant[self._live[vacant] != 0].tolist()
        return live

    def _look_ahead(self) -> None:
        """Only slots that were handed out can be live; the source keeps how many in the id of slot 0, or 0: all."""
        end = int(self._id[0]) or self.size
        found = np.flatnonzero(self._live[self.high : end])
        if len(found):
            self.high += int(found[-1]) + 1

    def id_of(self, slot: int) -> int:
        """The key of a live slot in the table's hash map."""
        return int(self._id[slot])

    def generation(self, slot: int) -> int:
        """Of the slot's present life."""
        return int(self._gen[slot])

    def bind(self, slot: int, id_: int | None = None) -> None:
        """`id_`: where the slot itself may not say it any more."""
        self.ids[slot] = self._id[slot] if id_ is None else id_
        self.bound[slot] = True

    def vacate(self, slots: Iterable[int]) -> None:
        """After the source has given the slots back."""
        gone = np.fromiter(slots, np.intp)
        self.bound[gone] = False
        self.ids[gone] = 0
