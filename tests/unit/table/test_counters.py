from __future__ import annotations

import numpy as np
import pytest

from kindling.table.counters import Counters
from unit.table.probe import FLOW, OP

TOP = (1 << 64) - 1


@pytest.fixture
def slots() -> np.ndarray:
    slots = np.zeros(300, FLOW)
    slots["head"]["live"][1:] = 1
    return slots


@pytest.fixture
def counters(slots: np.ndarray) -> Counters:
    counters = Counters(slots, "opened", "resets_in", ("opened", "failed"))
    for slot in counters.occupancy.arrivals():
        counters.bind(slot, 0.0)
    return counters


def changed(counters: Counters, now: float = 1.0) -> dict[int, list[int]]:
    slots, added = counters.read(now)
    return {int(s): a.tolist() for s, a in zip(slots, added, strict=True)}


def test_columns_follow_the_layout(counters: Counters) -> None:
    assert counters.column("opened") == 0
    assert counters.columns("failed") == range(4, 10)
    assert counters.column("resets_in") == 19


def test_columns_of_operations() -> None:
    counters = Counters(np.zeros(4, OP), "slow", "hist", ("duration_ns",))
    assert len(counters.columns("hist")) == 110


def test_differences(slots: np.ndarray, counters: Counters) -> None:
    slots["opened"][5] = 3
    slots["failed"][7, 2] = 1
    found = changed(counters)
    assert set(found) == {5, 7}
    assert found[5][0] == 3
    assert found[7][6] == 1
    slots["opened"][5] = 4
    assert changed(counters)[5][0] == 1
    assert changed(counters) == {}


def test_differences_modulo_2_to_the_64(slots: np.ndarray, counters: Counters) -> None:
    slots["opened"][5] = TOP
    assert changed(counters)[5][0] == TOP
    slots["opened"][5] = 1
    assert changed(counters)[5][0] == 2


def test_what_moves_unwatched_comes_with_the_next_change(slots: np.ndarray, counters: Counters) -> None:
    slots["opened"][250] = 1
    slots["resets_in"][250] = 1
    assert changed(counters)[250][19] == 1


def test_what_moves_just_after_a_reading_comes_with_the_next(slots: np.ndarray, counters: Counters) -> None:
    slots["opened"][250] = 1
    changed(counters)
    slots["resets_in"][250] = 1
    assert changed(counters)[250][19] == 1


def test_what_moves_unwatched_is_found_in_time(slots: np.ndarray, counters: Counters) -> None:
    slots["resets_in"][250] = 1
    found = [changed(counters) for _ in range(70)]
    assert sum(f[250][19] for f in found if 250 in f) == 1


def test_everything_at_the_end(slots: np.ndarray, counters: Counters) -> None:
    slots["resets_in"][250] = 1
    assert counters.read(1.0, everything=True).slots.tolist() == [250]


def test_slots_that_are_not_bound_wait(slots: np.ndarray) -> None:
    counters = Counters(slots, "opened", "resets_in", ("opened",))
    slots["opened"][5] = 3
    assert changed(counters) == {}
    counters.occupancy.arrivals()
    counters.bind(5, 1.0)
    assert changed(counters)[5][0] == 3


def test_slot_0_counts(slots: np.ndarray, counters: Counters) -> None:
    slots["opened"][0] = 2
    assert changed(counters)[0][0] == 2
    assert 0 not in counters.idle(99.0)


def test_idle(slots: np.ndarray, counters: Counters) -> None:
    slots["opened"][5] = 1
    changed(counters, now=10.0)
    idle = set(counters.idle(9.0).tolist())
    assert 5 not in idle
    assert 6 in idle
    assert 5 in counters.idle(10.0)


def test_vacated_slots_begin_at_zero(slots: np.ndarray, counters: Counters) -> None:
    slots["opened"][5] = 9
    changed(counters)
    slots["opened"][5] = 0
    counters.vacate([5])
    assert changed(counters) == {}
    slots["opened"][5] = 4
    counters.bind(5, 2.0)
    assert changed(counters)[5][0] == 4
