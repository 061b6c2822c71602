from __future__ import annotations

from kindling.table.held import Held


def test_a_slot_is_held_for_some_readings() -> None:
    held = Held()
    held.hold(1)
    assert [held.due() for _ in range(3)] == [[], [], []]
    held.hold(1)  # its clock goes on
    held.hold(2)
    assert 1 in held
    assert held.due() == [1]
    assert list(held) == [2]


def test_what_is_known_is_no_longer_held() -> None:
    held = Held()
    held.hold(1)
    held.hold(2)
    held.drop(1)
    held.drop(3)
    assert held.due(everything=True) == [2]
    assert not len(held)
