"""Series within a budget: sums stay exact, whatever is folded, forgotten or shown again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from factories import CURL, NGINX, NOON, flow
from kindling.export.budget import Budget
from kindling.export.families import EXTERNAL_CONNECTIONS
from kindling.export.presence import Presence
from kindling.export.section import ALL, OWN, Section, Totals
from kindling.model import FlowRow

IDLE = 100.0


class Little(Section[FlowRow]):
    """One family with one series per destination."""

    families = (EXTERNAL_CONNECTIONS,)
    cost = 1
    share = 0.5

    def takes(self, row: FlowRow) -> bool:
        return row.labels.outside

    def key(self, row: FlowRow, level: int) -> Hashable:
        if level == ALL:
            return ALL
        return (row.labels.workload, row.labels.name) if level == OWN else row.labels.workload

    def text(self, row: FlowRow, level: int) -> str:
        return str(self.key(row, level))

    def values(self, row: FlowRow) -> Totals:
        return (row.opened,)

    def shown(self) -> dict[str, int]:
        found = {series.text: self.totals(series)[0] for series in self}
        assert len(found) == len(self)
        return found


class Gauges(Little):
    folds = False


class Scene:
    """Rows, a clock, and a section that follows them."""

    def __init__(self, budget: int, kind: type[Little] = Little) -> None:
        self.budget = Budget(budget)
        self.presence: Presence[FlowRow] = Presence(IDLE, lambda row: row.active > 0)
        self.section = kind(self.budget, self.presence.is_idle)
        self.rows: list[FlowRow] = []
        self.now = NOON

    def add(self, name: str, opened: int = 1, **values: object) -> FlowRow:
        row = flow(name=name, opened=opened, **values)
        row.first_seen = row.last_seen = self.now
        self.rows.append(row)
        return row

    def count(self, row: FlowRow, n: int = 1) -> None:
        row.opened += n
        row.last_seen = self.now + 0.5  # between two renderings

    def render(self, seconds: float = 1.0) -> dict[str, int]:
        self.now += seconds
        self.section.update(self.presence.update(self.rows, self.now), self.now)
        return self.section.shown()


def of(name: str) -> str:
    return str((CURL, name))


def test_rows_with_one_key_are_one_series() -> None:
    scene = Scene(10)
    scene.add("a", 1)
    scene.add("a", 2)
    assert scene.render() == {of("a"): 3}


def test_what_finds_no_room_is_added_up_by_workload_then_all_together() -> None:
    scene = Scene(4)
    for name in "abc":
        scene.add(name)
    scene.add("d", 10)
    scene.add("e", 20)
    scene.add("x", 100, workload=NGINX)
    shown = scene.render()
    assert shown == {of("a"): 1, of("b"): 1, of("c"): 1, of("d"): 10, str(ALL): 120}
    assert scene.budget.dropped == {EXTERNAL_CONNECTIONS.name: 2}


def test_other_of_a_workload_takes_its_rows() -> None:
    scene = Scene(4)
    for name in "abcd":
        scene.add(name)
    scene.render()
    scene.rows = scene.rows[1:]
    scene.render()
    first = scene.add("y", 5, workload=NGINX)
    assert scene.render() == {of("b"): 1, of("c"): 1, of("d"): 1, str((NGINX, "y")): 5}
    scene.add("z", 7, workload=NGINX)
    assert scene.render()[str(ALL)] == 7
    assert first in scene.rows


def test_gauges_are_left_out_and_come_when_there_is_room() -> None:
    scene = Scene(20, Gauges)
    rows = [scene.add(f"n{i}") for i in range(25)]
    assert len(scene.render()) == 20
    assert scene.budget.dropped == {EXTERNAL_CONNECTIONS.name: 5}
    scene.rows = rows[10:]
    scene.render()
    for row in scene.rows:
        scene.count(row)
    assert len(scene.render()) == 15


def test_an_idle_series_goes_and_goes_on_where_it_stood() -> None:
    scene = Scene(10)
    row = scene.add("a", 5)
    assert scene.render() == {of("a"): 5}
    assert scene.render(IDLE * 2) == {}
    assert scene.section.account.used == 0
    scene.count(row)
    assert scene.render() == {of("a"): 6}


def test_a_row_that_was_idle_from_the_start_is_not_shown() -> None:
    scene = Scene(10)
    row = scene.add("a", 5)
    assert scene.render(IDLE * 2) == {}
    scene.count(row)
    assert scene.render() == {of("a"): 6}


def test_open_connections_are_never_idle() -> None:
    scene = Scene(10)
    scene.add("a", 5, active=1)
    scene.render()
    assert scene.render(IDLE * 2) == {of("a"): 5}


def test_a_series_is_idle_when_all_its_rows_are() -> None:
    scene = Scene(10)
    old, busy = scene.add("a", 1), scene.add("a", 2)
    scene.render()
    scene.now += IDLE
    scene.count(busy)
    assert scene.render() == {of("a"): 4}
    assert scene.render(IDLE * 2) == {}
    scene.count(old)
    assert scene.render() == {of("a"): 5}


def test_without_room_an_idle_series_brings_to_other_only_what_is_new() -> None:
    scene = Scene(2)
    sleeper = scene.add("a", 1_000)
    scene.render()
    scene.render(IDLE * 2)
    for name in "bcd":
        scene.add(name, 10)
    before = scene.render()
    assert before[str(ALL)] == 10
    scene.count(sleeper, 3)
    assert scene.render()[str(ALL)] == 13
    scene.count(sleeper, 1)
    assert scene.render()[str(ALL)] == 14


def test_series_keep_what_rows_that_are_gone_had_counted() -> None:
    scene = Scene(10)
    gone = scene.add("a", 7)
    scene.add("a", 2)
    scene.render()
    scene.rows.remove(gone)
    assert scene.render() == {of("a"): 9}
    scene.add("a", 1)
    assert scene.render() == {of("a"): 10}


def test_when_there_is_room_again_a_folded_row_gets_its_own_series_from_zero_on() -> None:
    scene = Scene(40)
    crowd = [scene.add(f"n{i}") for i in range(60)]
    shown = scene.render()
    assert sum(shown.values()) == 60
    late = crowd[59]
    assert of("n59") not in shown
    scene.rows = crowd[20:]
    scene.render()
    scene.count(late, 5)
    shown = scene.render()
    assert shown[of("n59")] == 0, "what was counted before stays in `other`"
    scene.count(late, 2)
    assert scene.render()[of("n59")] == 2


class Exactness(RuleBasedStateMachine):
    """No increment is lost or counted twice: what all series grew by, from one rendering to the next, is what was
    counted between; a series that is new may begin at any value, one that is gone has no growth.
    """

    @initialize(budget=st.integers(2, 30))
    def begin(self, budget: int) -> None:
        self.scene = Scene(budget)
        self.shown: dict[str, int] = {}
        self.pending: Counter[FlowRow] = Counter()

    @rule(name=st.sampled_from("abcdefghijklmnop"), workload=st.sampled_from([CURL, NGINX]), opened=st.integers(0, 9))
    def add(self, name: str, workload: object, opened: int) -> None:
        if len(self.scene.rows) < 60:
            self.pending[self.scene.add(name, opened, workload=workload)] += opened

    @rule(data=st.data(), n=st.integers(1, 9))
    def count(self, data: st.DataObject, n: int) -> None:
        if self.scene.rows:
            row = data.draw(st.sampled_from(self.scene.rows))
            self.scene.count(row, n)
            self.pending[row] += n

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Only rows whose counts were shown: a collector keeps rows for longer than a scrape takes to come."""
        quiet = [row for row in self.scene.rows if not self.pending[row]]
        if quiet:
            self.scene.rows.remove(data.draw(st.sampled_from(quiet)))

    @rule(seconds=st.sampled_from([1.0, 30.0, IDLE, IDLE * 3]))
    def render(self, seconds: float) -> None:
        shown = self.scene.render(seconds)
        kept = shown.keys() & self.shown.keys()
        for text in kept:
            assert shown[text] >= self.shown[text], f"{text} went back"
        grown = sum(shown[text] - self.shown[text] for text in kept)
        counted = sum(self.pending.values())
        assert grown <= counted
        if shown.keys() == self.shown.keys() and seconds < IDLE:
            assert grown == counted
        own = self.scene.section
        assert own.account.used == len(own)
        assert len(own) <= self.scene.budget.total + 1, "only the last resort may go beyond"
        self.shown = shown
        self.pending.clear()

    @invariant()
    def every_row_has_one_seat(self) -> None:
        if hasattr(self, "scene"):
            section = self.scene.section
            seated = [row for series in (*section, *section._idle.values()) for row in series.rows]
            assert len(seated) == len(set(seated))
            assert set(seated) == set(section._seats)


TestExactness = Exactness.TestCase
TestExactness.settings = settings(max_examples=100, stateful_step_count=40)


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.integers(0, 9)), max_size=80))
def test_nothing_is_lost_in_folding(rows: list[tuple[str, int]]) -> None:
    scene = Scene(8)
    for name, opened in rows:
        scene.add(name, opened)
    assert sum(scene.render().values()) == sum(opened for _, opened in rows)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_guaranteed_series_are_there_when_others_came_first(share: float) -> None:
    budget = Budget(100)
    greedy, modest = budget.account(0.0), budget.account(share)
    while greedy.take(1):
        pass
    assert greedy.used == 100 - 100 * share
    assert modest.take(int(100 * share)) or not share
    assert budget.used == 100
    assert not modest.take(1)
