"""What a journal says, replayed: the rows and slots as they were when the last frame was written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import singledispatchmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kindling.table.journal import FileJournal, JournalError
from kindling.table.records import (
    FLOW,
    OP,
    VERSION,
    Added,
    Answer,
    Bound,
    FlowRecord,
    Folded,
    Gone,
    Head,
    Kin,
    Lost,
    Moved,
    Open,
    OpRecord,
    Record,
    Taken,
    Taking,
    Text,
    Vector,
    Who,
)

if TYPE_CHECKING:
    from kindling.model.labels import FlowLabels
    from kindling.model.workload import Workload

_WORD: Final = 1 << 64
_GAUGES: Final = frozenset({"unsettled"})
"""Columns that also count down."""
_LATEST_ANSWERS: Final = 20_000
_LATEST_TEXTS: Final = 32_768
_LATEST_OWNERS: Final = 16_384


@dataclass(slots=True)
class SavedRow:
    """A row: its record, and what was counted in it since."""

    record: FlowRecord | OpRecord
    totals: Counter[int]
    last_seen: float
    last: tuple[int, int, str, str] = (0, 0, "", "")

    def see(self, time: float, last: tuple[int, int, str, str]) -> None:
        self.last_seen = max(self.last_seen, time)
        srtt, rtt_min, tls, alpn = last
        least = min(filter(None, (self.last[1], rtt_min)), default=0)
        self.last = (srtt or self.last[0], least, tls or self.last[2], alpn or self.last[3])


@dataclass(slots=True)
class SavedSlot:
    """The newest known life of a slot."""

    gen: int
    id: int
    parent: int
    row: int
    base: Vector
    folded: bool = False


@dataclass(slots=True)
class Recovered:
    head: Head
    rows: dict[int, dict[int, SavedRow]] = field(default_factory=lambda: {FLOW: {}, OP: {}})
    slots: dict[int, dict[int, SavedSlot]] = field(default_factory=lambda: {FLOW: {}, OP: {}})
    open: dict[int, int] = field(default_factory=dict)
    """Flow to number of its row."""
    texts: dict[int, Text] = field(default_factory=dict)
    owners: dict[int, Workload] = field(default_factory=dict)
    kin: dict[int, FlowLabels] = field(default_factory=dict)
    taking: list[tuple[int, int, int, Vector]] = field(default_factory=list)
    lost: Lost = field(default_factory=lambda: Lost({}, {}, 0))
    unanswered: int = 0
    """Queries, so far."""
    answers: list[Answer] = field(default_factory=list)

    def forget_counts(self) -> None:
        """The probe's maps are gone, and with them what was counted: a total without that would go back."""
        for table in (FLOW, OP):
            self.rows[table].clear()
            self.slots[table].clear()
        self.open.clear()
        self.taking.clear()
        self.lost, self.unanswered = Lost({}, {}, 0), 0

    def translate(self, flow_columns: list[str], op_columns: list[str]) -> None:
        """Totals by columns that are called so; what is no longer counted goes."""
        for table, old, new in ((FLOW, self.head.flow_columns, flow_columns), (OP, self.head.op_columns, op_columns)):
            if old == new:
                continue
            places = {name: column for column, name in enumerate(new)}
            for row in self.rows[table].values():
                named = {old[column]: total for column, total in row.totals.items() if column < len(old)}
                row.totals = Counter({places[name]: total for name, total in named.items() if name in places})

    @singledispatchmethod
    def apply(self, record: Record) -> None:
        """Take one record."""
        raise NotImplementedError(record)

    @apply.register
    def _(self, record: FlowRecord) -> None:
        self.rows[FLOW][record.number] = SavedRow(record, Counter(record.totals), record.last_seen, record.last)

    @apply.register
    def _(self, record: OpRecord) -> None:
        self.rows[OP][record.number] = SavedRow(record, Counter(record.totals), record.last_seen)

    @apply.register
    def _(self, record: Bound) -> None:
        self.slots[record.table][record.slot] = SavedSlot(
            record.gen, record.id, record.parent, record.row, dict(record.base)
        )
        if record.table == FLOW:
            self.open.pop(record.id, None)

    @apply.register
    def _(self, record: Moved) -> None:
        slot = self._slot(record.table, record.slot, record.gen)
        if slot:
            self._settle(record.table, slot, record.at)
            slot.row = record.row

    @apply.register
    def _(self, record: Folded) -> None:
        slot = self._slot(record.table, record.slot, record.gen)
        if slot is None or slot.folded:
            return
        row = self._settle(record.table, slot, record.at)
        slot.folded = True
        if row is None:
            return
        row.totals.update(record.added)
        row.see(record.seen, record.last)
        if record.table == FLOW and isinstance(row.record, FlowRecord):
            self.kin[slot.parent] = row.record.labels

    @apply.register
    def _(self, record: Open) -> None:
        self.open[record.flow] = record.row

    @apply.register
    def _(self, record: Added) -> None:
        row = self.rows[record.table].get(record.row)
        if row:
            row.totals.update(record.added)

    @apply.register
    def _(self, record: Gone) -> None:
        for number in record.rows:
            self.rows[record.table].pop(number, None)

    @apply.register
    def _(self, record: Text) -> None:
        _put(self.texts, record.id, record, _LATEST_TEXTS)

    @apply.register
    def _(self, record: Who) -> None:
        _put(self.owners, record.owner, record.workload, _LATEST_OWNERS)

    @apply.register
    def _(self, record: Kin) -> None:
        self.kin[record.parent] = record.labels

    @apply.register
    def _(self, record: Taking) -> None:
        self.taking = list(record.queries)

    @apply.register
    def _(self, record: Taken) -> None:
        self.taking = []
        self.unanswered += record.count

    @apply.register
    def _(self, record: Lost) -> None:
        self.lost = record
        self.unanswered = record.unanswered

    @apply.register
    def _(self, record: Answer) -> None:
        self.answers.append(record)
        if len(self.answers) > 2 * _LATEST_ANSWERS:
            del self.answers[:_LATEST_ANSWERS]

    def _slot(self, table: int, number: int, gen: int) -> SavedSlot | None:
        slot = self.slots[table].get(number)
        return slot if slot and slot.gen == gen else None

    def _settle(self, table: int, slot: SavedSlot, at: Vector) -> SavedRow | None:
        """Add to the row what the slot counted since its base."""
        row = self.rows[table].get(slot.row)
        if row:
            names = self.head.flow_columns if table == FLOW else self.head.op_columns
            for column in at.keys() | slot.base.keys():
                word = (at.get(column, 0) - slot.base.get(column, 0)) % _WORD
                row.totals[column] += word - _WORD if word >> 63 and names[column] in _GAUGES else word
        slot.base = dict(at)
        return row


def _put(book: dict[int, Any], key: int, value: object, limit: int) -> None:
    """The newest last; the oldest goes where there are too many."""
    book.pop(key, None)
    book[key] = value
    if len(book) > limit:
        del book[next(iter(book))]


class NothingSavedError(Exception):
    """No journal of this boot that can be read; the text says why, and is empty where there simply is none."""


def recover(journal: FileJournal, boot: str) -> Recovered:
    """Read a journal to its end. Raises NothingSavedError."""
    recovered: Recovered | None = None
    try:
        for frame in journal.read():
            for record in frame:
                if recovered is not None:
                    recovered.apply(record)
                    continue
                if not isinstance(record, Head) or record.version != VERSION:
                    raise JournalError("its head is another one")
                if record.boot != boot:
                    raise NothingSavedError("")
                recovered = Recovered(record)
    except JournalError as error:
        raise NothingSavedError(f"another version wrote {journal.path} ({error})") from None
    if recovered is None:
        raise NothingSavedError("")
    return recovered


def boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """Another one after each boot."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
