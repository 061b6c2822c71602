"""A section of /metrics: which rows are added up in which series, within a budget.

Every row belongs to exactly one series of a section. While there is room that is the series of its own labels; when
there is none, the series `other` of its workload, or else `other` of all. A series keeps what rows that left it had
counted, and a row that moves takes only with it what it counts from then on: so the sum over a family never loses
an increment, nor has one twice, whatever is folded, forgotten or shown again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Iterator, Mapping
from itertools import islice
from typing import ClassVar, Final, Generic

from kindling.export.budget import Account, Budget
from kindling.export.family import Family
from kindling.export.presence import Change, Row

Totals = tuple[int, ...]

#: How coarse a series is: labels of its own, all other ones of a workload, all other ones.
OWN: Final = 0
WORKLOAD: Final = 1
ALL: Final = 2

#: Series rendered in one go: no more of the text is in memory.
PIECE: Final = 256


class Series(Generic[Row]):
    """Rows whose labels come out the same."""

    __slots__ = ("base", "key", "level", "plain", "rows", "slept", "text")

    def __init__(self, key: Hashable, level: int, text: str) -> None:
        self.key = key
        self.level = level
        self.text = text
        """The labels, rendered; "" while the series is idle and not shown."""
        self.rows: list[Row] = []
        self.base: Totals | None = None
        """What was counted by rows that have left, or None."""
        self.plain: Row | None = None
        """The only row, if its numbers are the series' numbers."""
        self.slept: Totals | None = None
        """What the series showed when it became idle; None while it is shown."""


class Section(ABC, Generic[Row]):
    """The series of families that have the same labels."""

    families: ClassVar[tuple[Family, ...]]
    cost: ClassVar[int]
    """Series that one label set has, over all families."""
    share: ClassVar[float]
    """Part of the budget that is guaranteed."""
    folds: ClassVar[bool] = True
    """Without room rows are added up under `other`. Gauges cannot be: they are left out."""

    def __init__(self, budget: Budget, is_idle: Callable[[Row], bool], node: str = "") -> None:
        self.node = node
        """For the labels of this end."""
        self._budget = budget
        for family in self.families:
            budget.dropped[family.name] = 0
        self.account: Account = budget.account(self.share)
        self._is_idle: Callable[[Row], bool] = is_idle
        self._shown: dict[Hashable, Series[Row]] = {}
        self._idle: dict[Hashable, Series[Row]] = {}
        self._coarse: dict[Hashable, Series[Row]] = {}
        self._empty: list[Series[Row]] = []
        self._left_out: Series[Row] = Series(None, ALL, "")
        self._seats: dict[Row, Series[Row]] = {}
        self._offsets: dict[Row, Totals] = {}
        self._updated = 0.0

    def __len__(self) -> int:
        """Label sets shown."""
        return len(self._shown)

    def __iter__(self) -> Iterator[Series[Row]]:
        return iter(self._shown.values())

    @abstractmethod
    def takes(self, row: Row) -> bool:
        """Whether the row belongs to this section."""

    @abstractmethod
    def key(self, row: Row, level: int) -> Hashable:
        """Equal for rows with equal label text, and for no others."""

    @abstractmethod
    def text(self, row: Row, level: int) -> str:
        """The labels of a series that begins with this row."""

    @abstractmethod
    def values(self, row: Row) -> Totals:
        """The row's counters."""

    def update(self, change: Change[Row], now: float) -> None:
        """Follow the rows; before every rendering."""
        if change.gone:
            self._leave(change.gone)
        for row in change.moved:
            self._move(row)
        if change.idle:
            self._sleep(change.idle)
        for row in change.awake:
            series = self._seats.get(row)
            if series is None:
                if self.takes(row):
                    self._enter(row)
            elif series.slept is not None:
                self._wake(series, row)
        if (self._coarse or self._left_out.rows) and self.account.spare:
            self._unfold()
        for row in change.fresh:
            if self.takes(row):
                self._enter(row)
        if change.idle and change.fresh:
            self._sleep(change.idle)
        self._give_up_empty()
        self._updated = now

    def relabel(self) -> None:
        """Render all labels anew."""
        for series in self._shown.values():
            if series.rows:
                series.text = self.text(series.rows[0], series.level)

    def settle(self, lines: int) -> None:
        """Book what was really written: a label set may have more series than usual (reasons of failure)."""
        self.account.used = max(self.cost * len(self._shown), lines)

    def find(self, row_key: Hashable) -> Series[Row] | None:
        """The series shown under a key."""
        return self._shown.get(row_key)

    def totals(self, series: Series[Row]) -> Totals:
        """Sums over all rows that ever were in the series."""
        sums = self.sum(series.rows)
        if series.base is not None:
            sums = _add(sums, series.base)
        if self._offsets:
            for row in series.rows:
                offset = self._offsets.get(row)
                if offset is not None:
                    sums = _subtract(sums, offset)
        return sums

    def sum(self, rows: Collection[Row]) -> Totals:
        """Sums of `values` over rows; () of none. Sections whose rows are many do it a column at a time."""
        return tuple(map(sum, zip(*map(self.values, rows), strict=True)))

    # --- text --------------------------------------------------------------------------------

    def sums(self) -> dict[Series[Row], Totals]:
        """Of the series that are not just one row's numbers."""
        return {series: self.totals(series) for series in self if series.plain is None}

    def pieces(self, write: Callable[[Series[Row]], str], heading: str = "") -> Generator[str, None, int]:
        """A family's text, a piece at a time; nothing without a line. `write` gives the lines of a series, or "".

        Returns how many lines there were.
        """
        written = 0
        remaining = iter(self)
        while some := list(islice(remaining, PIECE)):
            text = "".join([write(series) for series in some])
            if text:
                yield heading + text
                heading = ""
                written += text.count("\n")
        return written

    # --- rows --------------------------------------------------------------------------------

    def _enter(self, row: Row) -> None:
        series = self._series_for(row, OWN)
        if series.level != OWN:
            self._drop()
        series.rows.append(row)
        self._seats[row] = series
        self._refresh(series)

    def _move(self, row: Row) -> None:
        """Its labels are others now."""
        series = self._seats.get(row)
        stays = self.takes(row)
        if series is not None:
            if stays and (series.level != OWN or series.key == self.key(row, OWN)):
                return
            self._leave((row,))
            if series.rows or series.level == ALL or self._is_idle(row):
                self._offsets[row] = self.values(row)  # what was counted stays behind
        if stays and not self._is_idle(row):  # an idle one comes when it awakes
            self._enter(row)

    def _leave(self, gone: Iterable[Row]) -> None:
        poorer: set[Series[Row]] = set()
        for row in gone:
            series = self._seats.pop(row, None)
            if series is not None:
                self._keep(series, row)
                self._offsets.pop(row, None)
                poorer.add(series)
        for series in poorer:
            series.rows = [row for row in series.rows if row in self._seats]
            self._refresh(series)
            if not series.rows and series.level != ALL:
                self._empty.append(series)

    def _give_up_empty(self) -> None:
        """After new rows had the chance to go on with a series that all others left."""
        for series in self._empty:
            if not series.rows:
                if self._shown.get(series.key) is series:
                    self._hide(series)
                else:
                    self._idle.pop(series.key, None)
        self._empty.clear()

    def _sleep(self, idle: Iterable[Row]) -> None:
        """Rows became idle. A series is when all its rows are."""
        seats = self._seats
        for series in {seats[row] for row in idle if row in seats}:
            if series.level != ALL and series.slept is None and all(map(self._is_idle, series.rows)):
                self._hide(series)
                series.slept = self.totals(series)
                series.text = ""
                self._idle[series.key] = series

    def _wake(self, series: Series[Row], row: Row) -> bool:
        """Show an idle series again, because of this row; without room, what is counted from now on goes to `other`."""
        del self._idle[series.key]
        slept, series.slept = series.slept, None
        if self.account.take(self.cost):
            series.text = self.text(row, series.level)
            self._show(series)
            return True
        self._drop()
        coarser = self._series_for(row, series.level + 1)
        since = _subtract(self.totals(series), slept or ())
        coarser.base = _add(coarser.base, since) if coarser.base is not None else since
        for each in series.rows:
            self._offsets[each] = self.values(each)
            self._seats[each] = coarser
        coarser.rows += series.rows
        self._refresh(coarser)
        return False

    def _unfold(self) -> None:
        """Give rows in which something happened series of their own, as long as there is room."""
        folded = list(self._coarse.values())
        folded.append(self._left_out)
        for series in folded:
            moving = False
            for row in series.rows:
                if row.last_seen > self._updated:
                    if not self.account.spare:
                        break
                    own = self._open(row, OWN)
                    if own is None:
                        break
                    self._keep(series, row)
                    self._offsets[row] = self.values(row)
                    own.rows.append(row)
                    self._seats[row] = own
                    self._refresh(own)
                    moving = True
            if moving:
                series.rows = [row for row in series.rows if self._seats[row] is series]
                self._refresh(series)

    def _keep(self, series: Series[Row], row: Row) -> None:
        """What a row that leaves has counted in this series stays there."""
        counted = self.values(row)
        offset = self._offsets.get(row)
        if offset is not None:
            counted = _subtract(counted, offset)
        series.base = _add(series.base, counted) if series.base is not None else counted

    # --- series ------------------------------------------------------------------------------

    def _series_for(self, row: Row, level: int) -> Series[Row]:
        """The finest series, from this level on, in which there is room."""
        for each in range(level, ALL):
            if each != OWN and not self.folds:
                return self._left_out
            found = self._open(row, each)
            if found is not None:
                return found
        if not self.folds:
            return self._left_out
        key = self.key(row, ALL)
        last = self._shown.get(key)
        if last is None:
            last = Series(key, ALL, self.text(row, ALL))
            self._show(last)
            self.account.used += self.cost  # the last resort is always there
        return last

    def _open(self, row: Row, level: int) -> Series[Row] | None:
        """The series of a row at a level, begun if need be; None without room."""
        key = self.key(row, level)
        known = self._shown.get(key)
        if known is not None:
            return known
        idle = self._idle.get(key)
        if idle is not None:
            return idle if self._wake(idle, row) else None
        if not self.account.take(self.cost):
            return None
        begun: Series[Row] = Series(key, level, self.text(row, level))
        self._show(begun)
        return begun

    def _show(self, series: Series[Row]) -> None:
        self._shown[series.key] = series
        if series.level != OWN:
            self._coarse[series.key] = series

    def _hide(self, series: Series[Row]) -> None:
        del self._shown[series.key]
        self._coarse.pop(series.key, None)
        self.account.used -= self.cost

    def _drop(self) -> None:
        for family in self.families:
            self._budget.dropped[family.name] += 1

    def _refresh(self, series: Series[Row]) -> None:
        alone = len(series.rows) == 1 and series.base is None and series.rows[0] not in self._offsets
        series.plain = series.rows[0] if alone else None


def line_writer(
    family: Family, value: Callable[[Row], int], index: int, sums: Mapping[Series[Row], Totals], label: str = ""
) -> Callable[[Series[Row]], str]:
    """The line of a series with one of its counters: a row's `value`, which is at `index` of its `values`. `label`: of
    this line alone, as in the text.
    """
    head, tail = f"{family.name}{{", f"{label and ','}{label}}} "

    def write(series: Series[Row]) -> str:
        row = series.plain
        return f"{head}{series.text}{tail}{value(row) if row is not None else sums[series][index]}\n"

    return write


def _add(a: Totals, b: Totals) -> Totals:
    """() counts as zero."""
    return tuple([x + y for x, y in zip(a, b, strict=True)]) if a and b else a or b


def _subtract(a: Totals, b: Totals) -> Totals:
    return tuple([x - y for x, y in zip(a, b, strict=True)]) if a and b else a
