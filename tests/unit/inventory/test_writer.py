"""The thread that writes, and the recorder before it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from factories import NOON, flow, snapshot
from kindling.config import Inventory
from kindling.inventory import Novelty, Recorder, writer
from kindling.inventory.pace import Pace, written_bytes
from kindling.inventory.query import Query, answer
from kindling.inventory.recorder import asked_of, steady
from unit.inventory.store_factory import BOOT, Clock, Said, records, store

PATIENCE = 10


def wait_until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
    return found


class Agent:
    """A recorder with its own clock."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.said = Said()
        self.clock = Clock(0.0)
        values = {"learning_seconds": 0.0, "write_seconds": 0.05} | settings
        self.recorder = Recorder(folder, Inventory(**values), self.said, boot=BOOT, clock=self.clock)
        self.recorder.start()
        self.now = NOON

    def tick(self, *rows: Any, seconds: float = 1.0) -> None:
        self.now += seconds
        self.clock.now += seconds
        self.recorder.observe(snapshot(time=self.now, since=NOON, flows=list(rows)))

    def rows(self) -> list[dict[str, Any]]:
        return list(self.recorder.ask(lambda connection: answer(connection, Query())).result(PATIENCE).rows)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    running = Agent(tmp_path)
    yield running
    running.recorder.close()


def moved(row: Any, now: float, **values: int) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    row.last_seen = now
    return row


def test_what_was_just_counted_is_part_of_the_answer(agent: Agent) -> None:
    row = flow(opened=1)
    agent.tick(moved(row, agent.now + 1))
    assert agent.rows()[0]["connections"] == 1
    agent.tick(moved(row, agent.now + 1, opened=5))
    assert agent.rows()[0]["connections"] == 5


def test_inside_is_not_recorded(agent: Agent) -> None:
    agent.tick(
        flow(opened=1, scope="own"),
        flow(opened=1, scope="loopback"),
        flow(opened=1, role="server"),
        flow(opened=1, role="unknown"),
        flow(opened=1, scope="private", name="db.internal"),
    )
    assert [row["destination"] for row in agent.rows()] == ["db.internal"]


def test_everything_is_written_at_the_end(tmp_path: Path) -> None:
    agent = Agent(tmp_path, write_seconds=3_600.0)
    row = flow(opened=1)
    agent.tick(row)
    agent.tick(moved(row, agent.now + 1, opened=7))
    agent.recorder.close()
    assert records(store(tmp_path))[0]["connections"] == 7
    with pytest.raises(RuntimeError, match="closed"):
        agent.recorder.ask(lambda connection: None).result(0)


def test_news_come_once_they_are_durable(agent: Agent, tmp_path: Path) -> None:
    row = flow(opened=1)
    agent.tick(row)

    def fetched() -> Sequence[Novelty]:
        agent.tick(row)
        return agent.recorder.news

    news = wait_until(fetched)
    assert [(each.kind, each.destination, each.port) for each in news] == [("destination", "example.org", 443)]
    agent.tick(row)
    assert agent.recorder.news == []
    agent.recorder.close()
    again = Agent(tmp_path)
    again.tick(row)
    assert again.recorder.news == []
    again.recorder.close()


def test_news_that_nobody_fetched_come_after_a_restart(tmp_path: Path) -> None:
    first = Agent(tmp_path)
    first.tick(flow(opened=1))
    first.recorder.close()
    second = Agent(tmp_path)
    second.tick()
    assert [each.destination for each in second.recorder.news] == ["example.org"]
    second.recorder.close()


def test_told_once_for_ever(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    assert agent.recorder.first("direct", "curl 192.0.2.1")
    assert not agent.recorder.first("direct", "curl 192.0.2.1")
    assert agent.recorder.first("plain", "curl 192.0.2.1")
    agent.recorder.close()
    again = Agent(tmp_path)
    assert not again.recorder.first("direct", "curl 192.0.2.1")
    again.recorder.close()


def test_a_question_that_fails_tells_who_asked(agent: Agent) -> None:
    def wrong(connection: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        agent.recorder.ask(wrong).result(PATIENCE)
    assert agent.rows() == []


def test_questions_are_answered_by_another_thread(agent: Agent) -> None:
    name = agent.recorder.ask(lambda connection: threading.current_thread().name).result(PATIENCE)
    assert name == "inventory"


def test_a_clock_that_is_set_back_hides_nothing(agent: Agent) -> None:
    row = flow(opened=1)
    agent.tick(row)
    agent.tick(moved(row, agent.now - 86_400, opened=2), seconds=-86_400)
    assert agent.rows()[0]["connections"] == 2
    agent.tick(moved(row, agent.now + 1, opened=3))
    assert agent.rows()[0]["connections"] == 3


def test_the_past_is_forgotten_only_when_the_clock_went_on_evenly(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(agent.recorder._writer, "add", lambda *_, new, clock_trusted: seen.append(clock_trusted))
    agent.tick()
    agent.tick(seconds=3_600)
    agent.now += 86_400  # the wall clock alone
    agent.tick()
    agent.tick(seconds=3_601)
    assert seen == [False, True, False, True]


def test_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_SECONDS", (0.02, 0.02))
    obstacle = tmp_path / "inventory.db"
    obstacle.mkdir()
    agent = Agent(tmp_path, pending_rows=3)
    rows = [flow(opened=1, name=f"host-{i}.example") for i in range(5)]
    agent.tick(*rows)
    agent.tick()  # all are gone: only three can be kept
    wait_until(lambda: agent.recorder.stats()["inventory.write_errors"] > 3)
    assert len(agent.said) == 1
    assert "is a directory" in agent.said[0]
    state = agent.recorder.state()
    assert state.trouble
    assert (state.pending, state.dropped) == (3, 2)
    assert len(agent.rows()) == 3
    obstacle.rmdir()
    wait_until(lambda: agent.recorder.state().trouble is None)
    agent.recorder.close()
    assert len(records(store(tmp_path))) == 3
    assert "written again" in agent.said[-1]


def test_a_row_that_no_database_takes(agent: Agent) -> None:
    agent.tick(flow(opened=1, bytes_in=1 << 64))
    wait_until(lambda: agent.recorder.state().dropped)
    agent.tick(moved(flow(opened=1, name="good.example"), agent.now + 1))
    assert [row["destination"] for row in agent.rows()] == ["good.example"]
    assert "could not be written" in agent.said[0]


def test_many_rows_go_in_several_transactions(agent: Agent) -> None:
    agent.tick(*(flow(opened=1, name=f"host-{i}.example") for i in range(2 * writer.CHUNK + 1)))
    wait_until(lambda: agent.recorder.stats()["inventory.bytes_written"] > 100_000)
    stats = agent.recorder.stats()
    assert stats["inventory.rows"] == 2 * writer.CHUNK + 1
    assert stats["inventory.writes"] >= 3
    assert stats["inventory.pending"] == 0


def test_active_connections_are_those_of_now(agent: Agent) -> None:
    agent.tick(
        flow(opened=3, active=2), flow(opened=1, active=1, remote_ip="192.0.2.1"), flow(opened=1, active=5, scope="own")
    )
    active = agent.recorder.active()
    found = agent.recorder.ask(lambda connection: answer(connection, Query(), active)).result(PATIENCE)
    assert [row["active"] for row in found.rows] == [3]


def test_without_a_list_the_live_rows_answer() -> None:
    shown = snapshot(flows=[flow(opened=2), flow(opened=1, scope="own")])
    assert [row["connections"] for row in asked_of(shown, lambda c: answer(c, Query())).rows] == [2]


def test_a_write_is_paid_for_before_the_next() -> None:
    clock = Clock(0.0)
    calm = Pace(Inventory(write_seconds=1.0), clock)
    calm.begin()
    assert calm.end() == 1.0
    assert calm.debt < 1.0
    busy = Pace(Inventory(write_seconds=1.0, max_cpu=1e-9), clock)
    busy.begin()
    sum(range(100_000))
    assert busy.end() == busy.debt - 300.0 > 1.0
    clock.now += busy.debt
    assert busy.debt == 0.0
    assert written_bytes() >= 0
    assert steady() > 0


def test_what_is_new_does_not_wait_for_what_only_changed(tmp_path: Path) -> None:
    agent = Agent(tmp_path, max_cpu=1e-4)
    known = [flow(opened=1, name=f"host-{i}.example") for i in range(100)]
    agent.tick(*known)
    wait_until(lambda: agent.recorder._writer._pace.debt > 5)  # the first write has ended
    new = flow(opened=1, name="new.example")
    new.first_seen = agent.now + 1
    agent.tick(*(moved(row, agent.now + 1, opened=2) for row in known), moved(new, agent.now + 1))
    wait_until(lambda: agent.recorder.stats()["inventory.rows"] == 101)
    assert agent.recorder.stats()["inventory.pending"] == 100
    assert sum(row["connections"] for row in agent.rows()) == 201
    agent.recorder.close()
    assert sum(row["connections"] for row in records(store(tmp_path))) == 201
