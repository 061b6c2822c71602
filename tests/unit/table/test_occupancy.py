from __future__ import annotations

import numpy as np

from kindling.table.occupancy import Occupancy
from unit.table.probe import FLOW


def live(slots: np.ndarray, *numbers: int) -> None:
    for number in numbers:
        slots["head"]["live"][number] = 1
        slots["head"]["id"][number] = 1000 + number


def test_slot_0_is_bound_from_the_start() -> None:
    occupancy = Occupancy(np.zeros(8, FLOW))
    assert occupancy.bound[0]
    assert occupancy.arrivals() == []
    assert (occupancy.used, occupancy.fill) == (0, 0)


def test_slots_arrive_until_they_are_bound() -> None:
    slots = np.zeros(8, FLOW)
    occupancy = Occupancy(slots)
    live(slots, 1, 2)
    assert occupancy.arrivals() == [1, 2]
    occupancy.bind(1)
    assert occupancy.arrivals() == [2]
    assert occupancy.ids[1] == 1001
    assert occupancy.used == 1


def test_slots_are_found_behind_a_gap() -> None:
    slots = np.zeros(4096, FLOW)
    occupancy = Occupancy(slots)
    occupancy.arrivals()
    live(slots, 5, 250, 500)
    assert occupancy.arrivals() == [5, 250, 500]


def test_slots_far_away_are_found_at_once() -> None:
    """A queue that was turned round hands out any number: after a restart the next one lies anywhere."""
    slots = np.zeros(4096, FLOW)
    slots["head"]["id"][0] = 3000  # so many were handed out
    occupancy = Occupancy(slots)
    assert occupancy.arrivals() == []
    live(slots, 2999)
    assert occupancy.arrivals() == [2999]


def test_vacated_slots_may_arrive_again() -> None:
    slots = np.zeros(8, FLOW)
    occupancy = Occupancy(slots)
    live(slots, 3)
    occupancy.arrivals()
    occupancy.bind(3)
    occupancy.vacate([3])
    slots["head"]["live"][3] = 0
    assert occupancy.arrivals() == []
    live(slots, 3)
    assert occupancy.arrivals() == [3]
