"""Who is behind the id of an owner."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from kindling.model.codes import INFERRED_OWNER
from kindling.model.workload import UNKNOWN, Workload
from kindling.table.journal import Journal
from kindling.table.occupancy import Occupancy
from kindling.table.records import Record, Who

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

PENDING_SECONDS: Final = 10.0
"""For so long an owner without its final name is waited for: an API server tells of a container about 1 s late."""


class Identify(Protocol):
    """What `kindling.identity` knows and a capture file does not."""

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        """The workload of a process that opened a socket. Asked once per owner, at once."""
        ...

    def adopted(self, owner: int) -> Workload | None:
        """The workload behind an id that was given to a socket older than the agent."""
        ...


class Late(Protocol):
    """What is found out of workloads after they were given."""

    @property
    def changes(self) -> int:
        """Rises when `again` may give another answer than before."""
        ...

    def again(self, workload: Workload) -> Workload:
        """What is known now of a workload that was given before."""
        ...

    def at(self, workload: Workload, address: str, when: float) -> Workload:
        """What is known of it by the address of its own that it used at a time (unix seconds)."""
        ...

    def placeless(self, workload: Workload) -> bool:
        """Whether `at` may tell, in a moment perhaps."""
        ...

    def final(self, workload: Workload) -> bool:
        """Whether no more can be learned of it."""
        ...

    def expected(self, workload: Workload) -> bool:
        """Whether more will be learned of it, probably within seconds."""
        ...


class Nobody:
    """For capture files: packets do not tell who sent them."""

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        del cgroup, netns, comm, tgid, uid
        return UNKNOWN

    def adopted(self, owner: int) -> Workload | None:
        del owner
        return None


@dataclass(slots=True)
class _Owner:
    workload: Workload
    slot: int
    since: float
    users: int = 0
    """Parents (flows, endpoints) that belong to it."""


class Owners:
    """Workloads by id of owner; asks `identify` once for each, and `late` until it knows all."""

    def __init__(
        self,
        slots: NDArray[np.void],
        identify: Identify,
        limit: int,
        journal: Journal | None = None,
        late: Late | None = None,
    ) -> None:
        self.occupancy = Occupancy(slots)
        self._slots = slots
        self._added: NDArray[np.uint32] = slots["ops_added"]
        self._removed: NDArray[np.uint32] = slots["ops_removed"]
        self._identify = identify
        self._late = late
        self._limit = limit
        self._journal = journal or Journal()
        self._by_id: dict[int, _Owner] = {}
        self._remembered: OrderedDict[int, Workload] = OrderedDict()
        self._inferred: OrderedDict[int, Workload] = OrderedDict()
        """Behind ids that user space gave, as far as they were asked for."""
        self._open: dict[int, float] = {}
        """Owners of whom more may be learned, and until when that is waited for."""
        self._changed: dict[int, Workload] = {}
        """Owners that have another workload than this one since somebody asked."""
        self._asked = 0
        self._now = 0.0

    def load(self, now: float) -> None:
        """Asks for who is new, while the process may still be there to tell, and again for those that are not known
        to the end.
        """
        self._now = now
        if self._late and self._late.changes != self._asked:
            self._asked = self._late.changes
            for owner in list(self._open):
                self._ask_again(self._late, owner)
        for slot in self.occupancy.arrivals():
            row = self._slots[slot]
            key = row["key"]
            owner = self.occupancy.id_of(slot)
            self.occupancy.bind(slot)
            workload = self._remembered.pop(owner, None)
            if workload is None:
                workload = self._identify.opened(
                    cgroup=int(key["cgroup"]),
                    netns=int(key["netns"]),
                    comm=key["comm"].tobytes().partition(b"\0")[0],
                    tgid=int(row["tgid"]),
                    uid=int(row["uid"]),
                )
                self._journal.put(Who(owner, workload))
            self._by_id[owner] = _Owner(workload, slot, now)
            self._watch(owner, workload)

    def workload(self, owner: int) -> Workload | None:
        """None while the owner's slot is not there yet."""
        if owner == 0:
            return UNKNOWN
        if owner & INFERRED_OWNER:
            return self._inferred.get(owner) or self._ask_adopted(owner)
        known = self._by_id.get(owner)
        return known.workload if known else self._remembered.get(owner)

    def workload_at(self, owner: int, address: str, when: float) -> Workload | None:
        """The same, of a socket with an address of its own: where nothing else tells, that does."""
        workload = self.workload(owner)
        return self._late.at(workload, address, when) if workload and self._late else workload

    def placeless(self, owner: int) -> bool:
        """Whether only its address can tell where it is, and somebody may still do so."""
        workload = self.workload(owner)
        return workload is not None and self._late is not None and self._late.placeless(workload)

    def at_home(self, owner: int, address: str, when: float) -> bool:
        """Whether an address of its own tells who it is."""
        return self.workload_at(owner, address, when) != self.workload(owner)

    def pending(self, owner: int) -> bool:
        """Whether the owner will probably have another workload in a moment. Not so for longer than 10 s."""
        if self._late is None:
            return False
        workload = self.workload(owner)
        until = self._open.get(owner)
        return workload is not None and until is not None and self._now <= until and self._late.expected(workload)

    def take_changed(self) -> dict[int, Workload]:
        """Owners that have another workload than at the last call, with that one."""
        changed, self._changed = self._changed, {}
        return changed

    def _ask_adopted(self, owner: int) -> Workload | None:
        workload = self._identify.adopted(owner)
        if workload is not None:
            self._inferred[owner] = workload
            self._journal.put(Who(owner, workload))
            self._watch(owner, workload)
            if len(self._inferred) > self._limit:
                gone, _ = self._inferred.popitem(last=False)
                self._open.pop(gone, None)
        return workload

    def _watch(self, owner: int, workload: Workload) -> None:
        if self._late and not self._late.final(workload):
            self._open.setdefault(owner, self._now + PENDING_SECONDS)

    def _ask_again(self, late: Late, owner: int) -> None:
        before = self.workload(owner)
        if before is None:
            del self._open[owner]
            return
        workload = late.again(before)
        if late.final(workload):
            del self._open[owner]
        if workload == before:
            return
        if owner in self._by_id:
            self._by_id[owner].workload = workload
        else:
            book = self._inferred if owner in self._inferred else self._remembered
            book[owner] = workload
        self._changed.setdefault(owner, before)
        self._journal.put(Who(owner, workload))

    def use(self, owner: int) -> None:
        known = self._by_id.get(owner)
        if known:
            known.users += 1

    def drop(self, owner: int) -> None:
        known = self._by_id.get(owner)
        if known and known.users:
            known.users -= 1

    def ops_removed(self, owner: int, count: int) -> None:
        """Tells the probe that operations of an owner were given back: its budget allows more.

        Never more than were added: a slot of the same owner that is younger than the operation
        knows nothing of it.
        """
        known = self._by_id.get(owner)
        if known:
            removed = int(self._removed[known.slot]) + count
            self._removed[known.slot] = min(removed, int(self._added[known.slot]))

    def recount(self, ops: Mapping[int, int]) -> None:
        """After a restart: how many operations each owner has; what was not told the probe is told now."""
        for owner, known in self._by_id.items():
            added = int(self._added[known.slot])
            self._removed[known.slot] = max(0, added - ops.get(owner, 0))

    def restore(self, workloads: Mapping[int, Workload]) -> None:
        """Take what another process found out; before the first `load`."""
        for owner, workload in workloads.items():
            book = self._inferred if owner & INFERRED_OWNER else self._remembered
            book[owner] = workload
            self._watch(owner, workload)

    def saved(self) -> Iterator[Record]:
        """For the journal."""
        for book in (self._remembered, self._inferred):
            yield from (Who(owner, workload) for owner, workload in book.items())
        yield from (Who(owner, known.workload) for owner, known in self._by_id.items())

    def unused(self, before: float, limit: int) -> list[int]:
        """Slots of owners without flow or operation that are older than a time."""
        found: list[int] = []
        for owner in self._by_id.values():
            if not owner.users and owner.since <= before:
                found.append(owner.slot)
                if len(found) == limit:
                    break
        return found

    def part(self, slots: list[int]) -> None:
        """Before the source gives slots back: nothing to do, the journal knows each since its first sight."""

    def vacate(self, slots: list[int]) -> None:
        """After the source has given the slots back; who it was stays known for a while."""
        for slot in slots:
            owner = int(self.occupancy.ids[slot])
            known = self._by_id.pop(owner, None)
            if known:
                self._remembered[owner] = known.workload
        self.occupancy.vacate(slots)
        while len(self._remembered) > self._limit:
            gone, _ = self._remembered.popitem(last=False)
            self._open.pop(gone, None)

    def __len__(self) -> int:
        return len(self._by_id)
