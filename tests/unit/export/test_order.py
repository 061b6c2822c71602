"""Pages: every row once, whatever has the same value."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.errors import InputError
from kindling.export.order import Order, Place


@dataclass
class Row:
    number: int
    value: float | str


def order(sort: str = "value") -> Order:
    return Order.parse("rows", sort, ("value",), getattr, lambda row: row.number)


@given(
    st.one_of(st.lists(st.integers(0, 3)), st.lists(st.sampled_from(["", "a", "b"]))),
    st.integers(1, 4),
    st.sampled_from(["value", "-value"]),
)
def test_pages_put_together_are_the_whole(values: list[float | str], size: int, sort: str) -> None:
    rows = [Row(number, value) for number, value in enumerate(values)]
    chosen = order(sort)
    whole = chosen.sorted(reversed(rows))
    paged: list[Row] = []
    while rest := (chosen.after(chosen.place(paged[-1]), whole) if paged else whole):
        paged += rest[:size]
    assert paged == whole
    assert [row.value for row in whole] == sorted(
        values, reverse=bool(values) and (sort == "value") == isinstance(values[0], int)
    )


def test_rows_that_come_and_go_between_pages_move_no_other() -> None:
    rows = [Row(number, number) for number in range(6)]
    chosen = order()
    place = chosen.place(chosen.sorted(rows)[1])
    now = chosen.sorted([row for row in rows if row.number != 4] + [Row(9, 99)])
    assert [row.number for row in chosen.after(place, now)] == [3, 2, 1, 0]


def test_an_unknown_key() -> None:
    with pytest.raises(InputError, match="value"):
        order("colour")


def test_a_cursor_of_another_order() -> None:
    with pytest.raises(InputError, match="another order"):
        order().after(Place("a", 1), [Row(1, 1)])
    assert order().after(Place("a", 1), []) == []
