from __future__ import annotations

from kindling.model import NameKind
from kindling.table.names import Names
from unit.table.probe import Probe


def make(probe: Probe) -> Names:
    names = Names(probe.slots("name"))
    names.begin_tick(1.0)
    return names


def vacate(probe: Probe, names: Names, slots: list[int]) -> None:
    ids = names.occupancy.ids[slots].tolist()
    probe.release("name", slots, ids, lambda: None)
    names.vacate(slots)


def test_operations_and_hosts() -> None:
    probe = Probe()
    probe.name(5, b"GET /users/7")
    probe.name(6, b"Example.org:80", NameKind.HOST)
    names = make(probe)
    operation = names.operation(5)
    assert operation
    assert operation.label == "GET /users/*"
    assert names.host(6) == (NameKind.HOST, "example.org")
    assert len(names) == 2


def test_a_name_that_comes_late() -> None:
    probe = Probe()
    names = make(probe)
    assert names.operation(5) is None
    probe.name(5, b"GET /")
    assert names.operation(5) is None, "one look per tick"
    names.begin_tick(2.0)
    assert names.operation(5)


def test_longest_text() -> None:
    probe = Probe()
    probe.name(5, b"GET /" + b"a" * 227)
    operation = make(probe).operation(5)
    assert operation
    assert len(operation.content) == 228


def test_names_in_use_stay() -> None:
    probe = Probe()
    names = make(probe)
    probe.name(5, b"GET /a")
    probe.name(6, b"GET /b")
    names.operation(5)
    names.use(5)
    assert names.unused(1.0, 10) == [2]
    assert names.unused(0.5, 10) == []
    names.drop(5)
    assert names.unused(1.0, 10) == [1, 2]
    assert names.unused(1.0, 1) == [1]


def test_texts_outlive_their_slots() -> None:
    probe = Probe(names=4)
    names = make(probe)
    probe.name(5, b"GET /a")
    names.operation(5)
    vacate(probe, names, [1])
    assert len(names) == 0
    operation = names.operation(5)
    assert operation
    assert operation.content == "/a"
    for key in range(10, 30):
        names.begin_tick(1.0)
        probe.name(key, b"GET /%d" % key)
        names.operation(key)
        vacate(probe, names, [names._by_id[key].slot])
    names.begin_tick(1.0)
    assert names.operation(5) is None, "memory is bounded"
