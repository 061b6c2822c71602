from __future__ import annotations

from kindling.model import Workload
from kindling.table.owners import Nobody, Owners
from unit.table.probe import Probe

WEB = Workload("process", "web")
OLD = Workload("process", "old", inferred=True)


class Somebody:
    def __init__(self) -> None:
        self.asked: list[tuple[int, bytes, int]] = []

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        self.asked.append((cgroup, comm, tgid))
        return WEB

    def adopted(self, owner: int) -> Workload | None:
        return OLD if owner == 1 << 63 | 7 else None


def test_each_owner_is_asked_for_once() -> None:
    probe, identify = Probe(), Somebody()
    probe.owner(5, b"curl", tgid=99, cgroup=7)
    owners = Owners(probe.slots("owner"), identify, 10)
    owners.load(1.0)
    owners.load(2.0)
    assert owners.workload(5) == WEB
    assert identify.asked == [(7, b"curl", 99)]


def test_owners_of_other_kinds() -> None:
    owners = Owners(Probe().slots("owner"), Somebody(), 10)
    unknown = owners.workload(0)
    assert unknown
    assert unknown.kind == "unknown"
    assert owners.workload(5) is None
    assert owners.workload(1 << 63 | 7) == OLD
    assert owners.workload(1 << 63 | 8) is None


def test_owners_outlive_their_slots() -> None:
    probe, identify = Probe(owners=4), Somebody()
    owners = Owners(probe.slots("owner"), identify, limit=2)
    for key in (5, 6, 7):
        probe.owner(key)
        owners.load(1.0)
        assert owners.unused(1.0, 10) == [owners._by_id[key].slot]
        slots = owners.unused(1.0, 10)
        probe.release("owner", slots, owners.occupancy.ids[slots].tolist(), lambda: None)
        owners.vacate(slots)
    assert owners.workload(5) is None, "memory is bounded"
    assert owners.workload(7) == WEB
    probe.owner(7)
    owners.load(2.0)
    assert len(identify.asked) == 3, "and need not be asked for again"


def test_owners_in_use_stay() -> None:
    probe = Probe()
    probe.owner(5)
    owners = Owners(probe.slots("owner"), Nobody(), 10)
    owners.load(1.0)
    owners.use(5)
    assert owners.unused(9.0, 10) == []
    owners.drop(5)
    assert owners.unused(9.0, 10) == [1]
    assert owners.unused(0.5, 10) == []


def test_budget_gets_back_no_more_than_was_taken() -> None:
    probe = Probe()
    probe.owner(5)
    slots = probe.slots("owner")
    slots["ops_added"][1] = 3
    owners = Owners(slots, Nobody(), 10)
    owners.load(1.0)
    owners.ops_removed(5, 2)
    assert slots["ops_removed"][1] == 2
    owners.ops_removed(5, 2)
    assert slots["ops_removed"][1] == 3
    owners.ops_removed(6, 1)
