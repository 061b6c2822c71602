"""A table of the probe: who finds a slot, which are free, and how one is given back.

The order of things is that of ARCHITECTURE.md, "The life of a slot".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from kindling.capture.bpf.loader import Loaded
from kindling.capture.bpf.maps import Grace, HashMap, Numbers, SharedArray
from kindling.wire.layout import struct_dtype

_FREE_AT_LEAST: Final = {"owner": 512, "flow": 2_048, "op": 1_024, "name": 1_024}
"""Slots that a burst of new things finds between two readings, however quiet it was before."""
_FREE_BY_RATE: Final = 4
"""And so many times what the last interval took."""
_AUDITS: Final = 3
_GENERATION_BYTES: Final = 4
"""slot_head.gen comes first."""


class SlotTable:
    """A table of the probe: ids, slots and free numbers."""

    def __init__(self, loaded: Loaded, name: str) -> None:
        maps = loaded.maps
        dtype = struct_dtype(loaded.object.btf, f"{name}_slot")
        self._ids = HashMap(maps[f"{name}_ids"], np.dtype("<u4"))
        self._free = Numbers(maps[f"{name}_free"])
        self._array = SharedArray(maps[f"{name}_slots"], dtype, 1)
        self.rows = self._array.rows
        self._head = self.rows["head"]
        self._raw = self.rows.view("u1").reshape(len(self.rows), dtype.itemsize)
        self._head["live"][0] = 1  # "other" is always there
        self._handed_out = max(1, int(self._head["id"][0]))
        """Slots from here on never were in the queue. The id of "other", which needs none, remembers it."""
        self._array.grow(self._handed_out)
        self._free_at_least = _FREE_AT_LEAST[name]
        self._used = self._handed_out
        self.refill()

    def refill(self) -> None:
        """Hand out slots that were never used, in order, until enough are free."""
        if self._handed_out == len(self.rows):
            return
        used = int(np.count_nonzero(self._head["live"][: self._handed_out]))
        wanted = max(self._free_at_least, _FREE_BY_RATE * (used - self._used))
        self._used = used
        begin, end = self._handed_out, min(used + wanted, len(self.rows))
        if end <= begin:
            return
        self._array.grow(end)
        self._handed_out = end
        self._head["id"][0] = end  # before: what is killed in between is found by `audit`
        self._free.push(range(begin, end))

    def interrupted(self) -> list[int]:
        """Live slots that their id does not lead to."""
        live = np.flatnonzero(self._head["live"][: self._handed_out])[1:]  # before the ids: they come first
        keys, values = self._ids.items()
        leads = dict(zip(keys.tolist(), values.tolist(), strict=True))
        ids = self._head["id"][live].tolist()
        slots: list[int] = live.tolist()
        return [slot for slot, key in zip(slots, ids, strict=True) if leads.get(key) != slot]

    def audit(self, grace: Grace) -> int:
        """Put back numbers that are neither in the queue nor in use. Returns how many.

        A program may hold a number while it enters a slot; then it is live, or back in the queue, after a grace. To
        be missed again it would have to lose a race for the same slot, in each round.
        """
        missing = set(range(1, self._handed_out))
        for _ in range(_AUDITS):
            missing -= self._queued()
            missing -= self._living()
            if not missing:
                return 0
            grace.wait()
            missing -= self._living()
        lost = sorted(missing)
        self._raw[lost, _GENERATION_BYTES:] = 0
        self._free.push(lost)
        return len(lost)

    def _living(self) -> set[int]:
        return set(np.flatnonzero(self._head["live"][: self._handed_out]).tolist())

    def _queued(self) -> set[int]:
        """Turn the queue once round."""
        seen: set[int] = set()
        while (number := self._free.pop()) is not None:
            self._free.push([number])
            if number in seen:
                break
            seen.add(number)
        return seen

    def release(self, slots: Sequence[int], ids: Sequence[int], fold: Callable[[], None], grace: Grace) -> None:
        index = np.asarray(slots, np.intp)
        self._ids.delete_all(ids)  # nobody finds them any more
        grace.wait()  # and who found them has remembered the old generation, not the next one
        self._head["gen"][index] += 1  # nobody who remembers them takes them for his
        grace.wait()  # and who held them already is done
        fold()
        self._raw[index, _GENERATION_BYTES:] = 0  # the generation stays: somebody may remember an old one
        self._free.push(slots)
