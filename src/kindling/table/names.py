"""The dictionary: texts that the probe entered once, by the ids that stand for them.

Ids are made from the texts, so a text that is known stays true after its slot was given back:
an id may live on in a connection of the probe.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kindling.protocols import Operation, by_number, host_name
from kindling.table.journal import Journal
from kindling.table.occupancy import Occupancy
from kindling.table.records import Record, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

#: Texts remembered after their slots were given back, by slots of the table.
_REMEMBERED: Final = 2


@dataclass(slots=True)
class Name:
    kind: int
    text: bytes
    protocol: int
    slot: int
    since: float
    users: int = 0
    """Bound slots of other tables that refer to it."""
    operation: Operation | None = None


class Names:
    """Texts by id. Looks into the shared memory only when an id is asked for that is new."""

    def __init__(self, slots: NDArray[np.void], journal: Journal | None = None) -> None:
        self.occupancy = Occupancy(slots)
        self._slots = slots
        self._journal = journal or Journal()
        self._by_id: dict[int, Name] = {}
        self._remembered: OrderedDict[int, Name] = OrderedDict()
        self._looked = False
        self._now = 0.0

    def begin_tick(self, now: float) -> None:
        """The next unknown id may look into the shared memory again."""
        self._looked = False
        self._now = now

    def operation(self, name_id: int) -> Operation | None:
        """What an operation's text says; None while the text is not there."""
        name = self._find(name_id)
        if name is None:
            return None
        if name.operation is None:
            name.operation = by_number(name.protocol).operation(name.text)
        return name.operation

    def host(self, name_id: int) -> tuple[int, str] | None:
        """Kind of name and the host; None while the text is not there."""
        name = self._find(name_id)
        return (name.kind, host_name(name.text)) if name else None

    def use(self, name_id: int) -> None:
        """A slot of another table refers to the name."""
        name = self._by_id.get(name_id)
        if name:
            name.users += 1

    def drop(self, name_id: int) -> None:
        name = self._by_id.get(name_id)
        if name and name.users:
            name.users -= 1

    def unused(self, before: float, limit: int) -> list[int]:
        """Slots of names to which nothing refers and that are older than a time."""
        found: list[int] = []
        for name in self._by_id.values():
            if not name.users and name.since <= before:
                found.append(name.slot)
                if len(found) == limit:
                    break
        return found

    def load(self) -> int:
        """Reads texts that are new; how many there were."""
        self._looked = True
        arrivals = self.occupancy.arrivals()
        for slot in arrivals:
            row = self._slots[slot]
            name_id = self.occupancy.id_of(slot)
            self.occupancy.bind(slot)
            text = bytes(row["text"].tobytes()[: int(row["len"])])
            known = self._remembered.pop(name_id, None)
            self._by_id[name_id] = Name(
                int(row["kind"]),
                text,
                int(row["protocol"]),
                slot,
                self._now,
                users=known.users if known else 0,
            )
        return len(arrivals)

    def part(self, slots: Iterable[int]) -> None:
        """Before the source gives slots back: after a restart only the journal knows their texts."""
        for slot in slots:
            name_id = int(self.occupancy.ids[slot])
            name = self._by_id.get(name_id)
            if name:
                self._journal.put(Text(name_id, name.kind, name.protocol, name.text))

    def restore(self, texts: Iterable[Text]) -> None:
        """Take what another process knew; before the first `load`."""
        for text in texts:
            self._remembered[text.id] = Name(text.kind, text.text, text.protocol, 0, self._now)

    def saved(self, *, slots: bool) -> Iterator[Record]:
        """For the journal. `slots`: those that have a slot need not be told."""
        books = [self._remembered] if slots else [self._remembered, self._by_id]
        for book in books:
            yield from (Text(name_id, name.kind, name.protocol, name.text) for name_id, name in book.items())

    def vacate(self, slots: list[int]) -> None:
        """After the source has given the slots back; their texts stay known for a while."""
        for slot in slots:
            name_id = int(self.occupancy.ids[slot])
            name = self._by_id.pop(name_id, None)
            if name:
                self._remembered[name_id] = name
        self.occupancy.vacate(slots)
        while len(self._remembered) > _REMEMBERED * self.occupancy.size:
            self._remembered.popitem(last=False)

    def __len__(self) -> int:
        return len(self._by_id)

    def _find(self, name_id: int) -> Name | None:
        name = self._by_id.get(name_id) or self._remembered.get(name_id)
        if name is None and not self._looked:
            self.load()
            name = self._by_id.get(name_id)
        return name
