"""The lines under every table."""

from __future__ import annotations

from factories import NOON, snapshot
from kindling.export import format as fmt
from kindling.export.coverage import coverage, coverage_lines


def test_nothing_lost() -> None:
    record = coverage(snapshot())
    assert record["lost"] == 0
    assert coverage_lines(record) == [f"0 lost · watching since {fmt.clock(NOON - 600)} (10 min)"]
    assert coverage_lines(record, watching=False) == ["0 lost"]


def test_each_loss_says_what_and_since_when() -> None:
    record = coverage(snapshot(lost={"gap": 3, "own_cause": 1}, lost_since={"gap": NOON - 60}))
    lines = coverage_lines(record)
    assert lines[0].startswith("4 lost")
    assert lines[1] == (
        f"  3 gap since {fmt.clock(NOON - 60)}: bytes of a message were missed: its requests may be missing"
    )
    assert lines[2] == f"  1 own_cause since {fmt.clock(NOON - 600)}"
    assert coverage_lines(record, watching=False)[0] == "4 lost"
