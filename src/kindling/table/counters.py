"""What was added to a table's counters since the last reading.

The probe only ever adds; the collector keeps what it read of each slot and takes the difference
modulo 2^64. Each word of a slot is read once per reading, into private memory, and that very
value is what the next difference is taken from: an increment is counted once, in this reading
or in a later one, whenever it happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from kindling.table.marks import MARK
from kindling.table.occupancy import Occupancy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from kindling.model.rows import FlowRow, OpRow

_WORD: Final = 8


#: Each slot is compared in full once in so many readings, watched or not.
_AUDIT_EVERY: Final = 64


class Changes(NamedTuple):
    slots: NDArray[np.intp]
    added: NDArray[np.uint64]
    """One row per slot, one column per counter."""


class Counters:
    """The counters of one table: the 64-bit fields from `first` to `last`, all next to each other.

    `watch` names counters of which at least one moves with nearly everything that happens. Only
    those are looked at in each reading, so that an idle slot costs a cache line. What moves
    without them is found within 64 readings: slots that changed are read again in the next
    reading (the probe may have been between two additions), and every reading audits some more.
    """

    def __init__(
        self,
        slots: NDArray[np.void],
        first: str,
        last: str,
        watch: Sequence[str],
        marks: NDArray[np.void] | None = None,
    ) -> None:
        """`marks`: memory of `marks.MARK` by slot that outlives this process, if any."""
        marks = np.zeros(len(slots), MARK) if marks is None else marks
        self.occupancy = Occupancy(slots)
        self.begin = _offset(slots, first)
        words = (_offset(slots, last) + _size(slots, last) - self.begin) // _WORD
        self._words: NDArray[np.uint64] = np.lib.stride_tricks.as_strided(
            _first_word(slots, first),
            shape=(len(slots), words),
            strides=(slots.strides[0], _WORD),
            writeable=False,
        )
        self._kept = np.zeros((len(slots), words), np.uint64)
        self._watch = [c for name in watch for c in self.columns(name)]
        self.changed_at: NDArray[np.float64] = marks["at"]
        """Time of the last reading that found a change, or of `bind`."""
        self._sums: NDArray[np.uint64] = marks["sum"]
        self._again: NDArray[np.intp] = np.zeros(0, np.intp)
        self._audited = 0

    def columns(self, name: str) -> range:
        """Columns of a counter, or of an array of counters."""
        slots = self.occupancy.slots
        start = (_offset(slots, name) - self.begin) // _WORD
        return range(start, start + _size(slots, name) // _WORD)

    def column(self, name: str) -> int:
        return self.columns(name).start

    @property
    def names(self) -> list[str]:
        """Of all columns: "opened", "failed.2"."""
        fields: Any = self.occupancy.slots.dtype.fields
        names = [""] * self._words.shape[1]
        for name, (kind, offset, *_) in fields.items():
            column, count = (offset - self.begin) // _WORD, kind.itemsize // _WORD
            if 0 <= column < len(names):
                names[column : column + count] = [f"{name}.{i}" for i in range(count)] if count > 1 else [name]
        return names

    def vector(self, slot: int) -> dict[int, int]:
        """What was last read of a slot, by column, without zeros."""
        words = self._kept[slot]
        columns = np.flatnonzero(words)
        return dict(zip(columns.tolist(), words[columns].tolist(), strict=True))

    def spread(self, vector: Mapping[int, int]) -> list[int]:
        """A vector as a list of all columns."""
        words = [0] * self._words.shape[1]
        for column, amount in vector.items():
            words[column] = amount
        return words

    def kept(self, name: str) -> NDArray[np.uint64]:
        """What was last read of a counter, of all slots."""
        return self._kept[:, self.column(name)]

    def bind(self, slot: int, now: float) -> None:
        """From now on the slot is read, all that it already holds included."""
        self.occupancy.bind(slot)
        self.changed_at[slot] = now
        self._sums[slot] = 0

    def resume(self, slot: int, id_: int, base: Mapping[int, int]) -> None:
        """The slot is read again, after another process had read it up to `base` and marked it last."""
        self.occupancy.bind(slot, id_)
        for column, word in base.items():
            self._kept[slot, column] = word

    def read_resumed(self, slots: NDArray[np.intp], now: float) -> tuple[Changes, Changes]:
        """The first reading of such slots: those that did not change since their mark, and those that did."""
        same = self._words[slots].sum(axis=1) == self._sums[slots]
        unchanged = slots[same]
        at = self.changed_at[unchanged].copy()
        before = self.read_slots(unchanged, now)
        self.changed_at[unchanged] = at
        return before, self.read_slots(slots[~same], now)

    def read(self, now: float, *, everything: bool = False, held: Sequence[int] = ()) -> Changes:
        """Changes of all bound slots since the last reading of each; `held`: these are read some other time."""
        high = self.occupancy.high
        bound = self.occupancy.bound[:high]
        if everything:
            return self.read_slots(np.flatnonzero(bound), now)
        differs = np.zeros(high, np.bool_)
        for column in self._watch:
            differs |= self._words[:high, column] != self._kept[:high, column]
        differs[self._again] = True
        begin = self._audited if self._audited < high else 0
        self._audited = begin + high // _AUDIT_EVERY + 1
        differs[begin : self._audited] = True
        differs &= bound
        differs[list(held)] = False
        changes = self.read_slots(np.flatnonzero(differs), now)
        self._again = changes.slots
        return changes

    def read_slots(self, slots: NDArray[np.intp], now: float) -> Changes:
        """Changes of some slots; those that have any."""
        fresh = self._words[slots]
        added = fresh - self._kept[slots]
        moved = added.any(axis=1)
        changed = slots[moved]
        self._kept[changed] = fresh[moved]
        self._sums[changed] = fresh[moved].sum(axis=1)
        self.changed_at[changed] = now
        return Changes(changed, added[moved])

    def idle(self, before: float) -> NDArray[np.intp]:
        """Bound slots without change since a time; "other" is never among them."""
        high = self.occupancy.high
        idle = self.occupancy.bound[:high] & (self.changed_at[:high] <= before)
        idle[0] = False
        return np.flatnonzero(idle)

    def vacate(self, slots: Sequence[int]) -> None:
        """After the source has given the slots back: they hold zeros now."""
        self.occupancy.vacate(slots)
        self._kept[np.fromiter(slots, np.intp)] = 0
        self._again = self._again[self.occupancy.bound[self._again]]


def seen_before(counters: Counters, changes: Changes, row_of: Callable[[int], FlowRow | OpRow]) -> None:
    """Rows of slots that changed while nobody read them, up to their mark, were seen then."""
    for slot in changes.slots.tolist():
        row = row_of(slot)
        row.last_seen = max(row.last_seen, float(counters.changed_at[slot]))


def _offset(slots: NDArray[np.void], name: str) -> int:
    fields: Any = slots.dtype.fields
    return int(fields[name][1])


def _size(slots: NDArray[np.void], name: str) -> int:
    return int(slots.dtype[name].itemsize)


def _first_word(slots: NDArray[np.void], name: str) -> NDArray[np.uint64]:
    field: NDArray[np.uint64] = slots[name]
    return field if field.ndim == 1 else field[:, 0]
