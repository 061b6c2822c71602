"""The list read beside an agent, after one, and where nothing can be written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from factories import NOON, flow
from kindling.errors import InputError
from kindling.export.filters import Filter
from kindling.inventory.coverage import State, coverage
from kindling.inventory.offline import offline
from kindling.inventory.query import Answer, Query, answer, history
from kindling.inventory.schema import VERSION
from kindling.inventory.store import Trouble
from kindling.inventory.watching import Period
from unit.inventory.store_factory import store, write


def test_beside_a_running_agent_and_after_it(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=3))
    for place in (tmp_path, tmp_path / "inventory.db"):
        with offline(place) as (connection, state):
            assert answer(connection, Query()).connections == 3
            assert len(history(connection, Query(Filter(since=0.0)))) == 1
            assert state.entries == 1
    kept.close()
    with offline(tmp_path) as (connection, _):
        assert answer(connection, Query()).connections == 3


def test_nothing_is_written(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=3))
    kept.close()
    with offline(tmp_path) as (connection, _), pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM entry")


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_no_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inventory.db").write_bytes(content)
    with pytest.raises(InputError, match=r"inventory\.db"), offline(tmp_path):
        pass


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no list"), offline(tmp_path):
        pass


def test_another_version(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=1))
    kept._open().connection.execute(f"PRAGMA user_version={VERSION - 1}")
    kept.close()
    with pytest.raises(InputError, match="schema"), offline(tmp_path):
        pass


# --- what an answer does not contain -----------------------------------------------------------


def covered(state: State | None = None, *, live: bool = True, **values: object) -> list[str]:
    found = {
        "rows": [],
        "total": 0,
        "connections": 0,
        "by_evidence": {},
        "periods": [Period(NOON - 3_600, NOON, {})],
        "whole_days": False,
    } | values
    notes: list[str] = coverage(Answer(**found), state or State(), now=NOON, live=live)["notes"]  # type: ignore[arg-type]
    return notes


def test_names_by_evidence() -> None:
    (line,) = covered(connections=1_000, by_evidence={"sni": 600, "node-dns": 300, "address": 100})
    assert line == "90 % of 1\u202f000 connections with a name: 60 % sni, 30 % a DNS answer on this host"
    assert covered() == ["no connection was established"]
    assert covered(connections=1, by_evidence={"address": 1}) == ["0 % of 1 connection with a name"]
    assert covered(connections=10_000, by_evidence={"sni": 9_999, "address": 1})[0].startswith("99.9 % of")


def test_gaps_and_losses() -> None:
    times = [Period(NOON - 9_000, NOON - 8_000, {"gap": 1}), Period(NOON - 800, NOON - 300, {"gap": 2, "op_full": 1})]
    answered = Answer([], 0, 0, {}, times, whole_days=True)
    record = coverage(answered, State(), now=NOON, live=False)
    assert (record["lost"], record["since"], record["watched_seconds"]) == (4, NOON - 9_000, 1_500)
    assert record["causes"]["op_full"]["since"] == NOON - 800
    assert len(record["gaps"]) == 2
    assert len(coverage(answered, State(), now=NOON)["gaps"]) == 1
    assert "in 2 gaps" in record["notes"][1]
    assert record["notes"][2] == "numbers are those of whole days (UTC)"


def test_trouble_is_shown() -> None:
    state = State("/x/inventory.db", 5, 1, 7, 2, Trouble("the disk is full", NOON))
    lines = covered(state)
    assert lines[1] == "1 entry idle for longest forgotten: the list was full"
    assert lines[2].startswith("/x/inventory.db cannot be written since ")
    assert lines[2].endswith(": the disk is full; 7 changed rows in memory")
    assert lines[3] == "2 changes lost while the disk took nothing"


def test_nothing_was_ever_watched() -> None:
    assert coverage(Answer([], 0, 0, {}, [], whole_days=False), State(), now=NOON)["since"] == NOON
