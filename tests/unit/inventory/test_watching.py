"""Since when somebody watches, and what was lost meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from factories import NOON
from kindling.inventory.database import Database
from kindling.inventory.watching import Agent, Period, Watched, periods, prolong

ONE = Agent("boot", "one")
TWO = Agent("boot", "two")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "inventory.db")
    yield opened
    opened.close()


def watch(database: Database, agent: Agent, time: float, since: float, **lost: int) -> list[Period]:
    with database.transaction() as connection:
        prolong(connection, agent, Watched(time, since, lost))
    return periods(database.connection)


def test_one_agent_is_one_time(database: Database) -> None:
    watch(database, ONE, NOON, NOON - 60)
    watch(database, ONE, NOON + 5, NOON - 60, gap=2)
    assert watch(database, ONE, NOON + 10, NOON - 60, gap=3) == [Period(NOON - 60, NOON + 10, {"gap": 3})]


def test_a_restart_that_missed_nothing_goes_on(database: Database) -> None:
    watch(database, ONE, NOON, NOON - 60, gap=2)
    found = watch(database, TWO, NOON + 100, NOON - 60, gap=5)
    assert found == [Period(NOON - 60, NOON + 100, {"gap": 5})]


def test_losses_counted_anew_are_added(database: Database) -> None:
    watch(database, ONE, NOON, NOON - 60, gap=2, op_full=1)
    watch(database, TWO, NOON + 100, NOON - 60, gap=1)
    found = watch(database, TWO, NOON + 101, NOON - 60, gap=4)
    assert found == [Period(NOON - 60, NOON + 101, {"gap": 6, "op_full": 1})]


@pytest.mark.parametrize(("agent", "since"), [(TWO, NOON + 50), (Agent("other boot", "two"), NOON - 60)])
def test_a_restart_that_missed_something_begins_anew(database: Database, agent: Agent, since: float) -> None:
    watch(database, ONE, NOON, NOON - 60, gap=2)
    found = watch(database, agent, NOON + 100, since)
    assert found == [Period(NOON - 60, NOON, {"gap": 2}), Period(since, NOON + 100, {})]


def test_a_clock_that_jumps_does_not_end_a_time(database: Database) -> None:
    watch(database, ONE, NOON, NOON - 60)
    watch(database, ONE, NOON - 86_400, NOON - 60)
    (found,) = watch(database, ONE, NOON + 1, NOON - 60)
    assert found == Period(NOON - 60, NOON + 1, {})
    (found,) = watch(database, ONE, NOON - 90, NOON - 60)
    assert found.seconds == 0
