"""The order of rows, and where in it a page ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kindling.errors import InputError

Row = Any


@dataclass(frozen=True, slots=True)
class Place:
    """Of a row in an order: its value, and the row's number, for many rows may have the same value."""

    value: float | str
    number: int


@dataclass(frozen=True, slots=True)
class Order:
    """Numbers from high to low, text from A to Z; `backwards` turns that round. Rows of the same value stand
    in the order of their numbers.
    """

    key: str
    backwards: bool
    value: Callable[[Row, str], Any]
    number: Callable[[Row], int]

    @classmethod
    def parse(
        cls,
        table: str,
        sort: str,
        sortable: Sequence[str],
        value: Callable[[Row, str], Any],
        number: Callable[[Row], int],
    ) -> Order:
        """Of "KEY" or "-KEY". Raises InputError."""
        key = sort.removeprefix("-")
        if key not in sortable:
            raise InputError(f"{table} cannot be sorted by {key!r}.", hint=f"Try one of: {', '.join(sortable)}.")
        return cls(key, sort.startswith("-"), value, number)

    def sorted(self, rows: Iterable[Row]) -> list[Row]:
        ordered = sorted(rows, key=self.number)
        if ordered:
            ordered.sort(key=self._of, reverse=self._descending(self._of(ordered[0])))
        return ordered

    def place(self, row: Row) -> Place:
        return Place(self._of(row), self.number(row))

    def after(self, place: Place, rows: Iterable[Row]) -> list[Row]:
        """Of rows in order those behind a place: also when its own row has moved or is gone. Raises InputError."""
        rows = list(rows)
        if not rows:
            return rows
        value = self._of(rows[0])
        if isinstance(value, str) != isinstance(place.value, str):
            raise InputError("The cursor belongs to another order.", hint="Ask with the sort that gave it.")
        descending = self._descending(value)

        def behind(row: Row) -> bool:
            own = self._of(row)
            if own == place.value:
                return self.number(row) > place.number
            return bool((own < place.value) == descending)

        return list(filter(behind, rows))

    def _of(self, row: Row) -> Any:
        found = self.value(row, self.key)
        return "" if found is None else found

    def _descending(self, value: object) -> bool:
        return isinstance(value, int | float) != self.backwards
