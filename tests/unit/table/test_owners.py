from __future__ import annotations

from kindling.model import Workload
from kindling.table.owners import PENDING_SECONDS, Nobody, Owners
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


CONTAINER = Workload("container", "0123", container="0123", container_id="0123", pod_uid="uid")
POD = Workload("deployment", "web", "shop", "nginx", "web-1", container_id="0123", pod_uid="uid")


class InPod(Somebody):
    """Opens sockets in a container whose pod is known once somebody says so. Satisfies both protocols."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        self.hopeful = True
        self.known: dict[str, Workload] = {}
        self.lodgers: dict[str, Workload] = {}

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        super().opened(cgroup=cgroup, netns=netns, comm=comm, tgid=tgid, uid=uid)
        return self.again(CONTAINER)

    def adopted(self, owner: int) -> Workload | None:
        del owner
        return self.again(CONTAINER)

    def tell(self) -> None:
        self.known["uid"] = POD
        self.changes += 1

    def again(self, workload: Workload) -> Workload:
        return self.known.get(workload.pod_uid, workload)

    def at(self, workload: Workload, address: str, when: float) -> Workload:
        del when
        return self.lodgers.get(address, workload)

    def placeless(self, workload: Workload) -> bool:
        return self.hopeful and workload.kind == "process"

    def final(self, workload: Workload) -> bool:
        return workload == POD

    def expected(self, workload: Workload) -> bool:
        return self.hopeful and workload != POD


def late_owners(probe: Probe, pods: InPod) -> Owners:
    return Owners(probe.slots("owner"), pods, 10, late=pods)


def test_a_pod_that_is_told_of_late() -> None:
    probe, pods = Probe(), InPod()
    probe.owner(5, b"nginx")
    owners = late_owners(probe, pods)
    owners.load(1.0)
    assert (owners.workload(5), owners.pending(5), owners.take_changed()) == (CONTAINER, True, {})
    pods.tell()
    owners.load(2.0)
    assert (owners.workload(5), owners.pending(5), owners.take_changed()) == (POD, False, {5: CONTAINER})
    owners.load(3.0)
    assert owners.take_changed() == {}


def test_a_pod_that_is_known_at_once() -> None:
    probe, pods = Probe(), InPod()
    pods.tell()
    probe.owner(5, b"nginx")
    owners = late_owners(probe, pods)
    owners.load(1.0)
    assert (owners.workload(5), owners.pending(5), owners.take_changed()) == (POD, False, {})


def test_nobody_waits_for_ever_but_any_time_is_early_enough() -> None:
    probe, pods = Probe(), InPod()
    probe.owner(5, b"nginx")
    owners = late_owners(probe, pods)
    owners.load(1.0)
    owners.load(1.0 + PENDING_SECONDS)
    assert owners.pending(5)
    owners.load(1.1 + PENDING_SECONDS)
    assert not owners.pending(5)
    pods.tell()
    owners.load(900.0)
    assert (owners.workload(5), owners.take_changed()) == (POD, {5: CONTAINER})


def test_nobody_waits_while_nobody_can_be_asked() -> None:
    probe, pods = Probe(), InPod()
    pods.hopeful = False
    probe.owner(5, b"nginx")
    owners = late_owners(probe, pods)
    owners.load(1.0)
    assert not owners.pending(5)


def test_older_sockets_of_a_pod_get_its_name_too() -> None:
    pods = InPod()
    owners = late_owners(Probe(), pods)
    owners.load(1.0)
    older = 1 << 63 | 7
    assert (owners.pending(older), owners.workload(older)) == (True, CONTAINER)
    pods.tell()
    owners.load(2.0)
    assert (owners.workload(older), owners.take_changed()) == (POD, {older: CONTAINER})


def test_what_an_earlier_agent_did_not_know() -> None:
    """Also one that knew of no cluster at all."""
    probe, pods = Probe(), InPod()
    owners = late_owners(probe, pods)
    owners.restore({5: CONTAINER, 1 << 63 | 7: CONTAINER})
    probe.owner(5, b"nginx")
    owners.load(1.0)
    assert (owners.workload(5), pods.asked) == (CONTAINER, [])
    pods.tell()
    owners.load(2.0)
    assert owners.take_changed() == {5: CONTAINER, 1 << 63 | 7: CONTAINER}
    assert {who.workload for who in owners.saved()} == {POD}  # type: ignore[union-attr]
