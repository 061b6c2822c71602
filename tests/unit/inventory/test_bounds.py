"""What is forgotten, and what of it stays."""

from __future__ import annotations

from pathlib import Path

from factories import NOON, flow
from kindling.inventory import bounds
from kindling.inventory.entries import DAY_SECONDS
from kindling.inventory.identity import row_key
from kindling.model import FlowRow
from unit.inventory.store_factory import records, store, sums, write


def seen(name: str, at: float, opened: int = 1) -> FlowRow:
    row = flow(name=name, opened=opened)
    row.first_seen = row.last_seen = at
    return row


def test_the_oldest_idle_go_first_and_are_counted(tmp_path: Path) -> None:
    kept = store(tmp_path, max_entries=100)
    rows = [seen(f"host-{i}.example", NOON + i) for i in range(100)]
    write(kept, *rows)
    rows[0].opened, rows[0].last_seen = 2, NOON + 500
    write(kept, rows[0], *(seen(f"new-{i}.example", NOON + 600) for i in range(3)))
    names = {each["destination"] for each in records(kept)}
    # five: three that are needed and two per cent more
    assert names == {
        "host-0.example",
        *(f"host-{i}.example" for i in range(6, 100)),
        *(f"new-{i}.example" for i in range(3)),
    }
    assert (kept.counts.rows, kept.counts.evicted) == (98, 5)
    kept.close()
    again = store(tmp_path, max_entries=100)
    records(again)
    assert again.counts.evicted == 5


def test_a_forgotten_entry_begins_anew_with_what_comes_then(tmp_path: Path) -> None:
    kept = store(tmp_path, max_entries=2)
    old = seen("old.example", NOON, opened=7)
    write(kept, old)
    write(kept, seen("b.example", NOON + 1), seen("c.example", NOON + 2))
    assert "old.example" not in {each["destination"] for each in records(kept)}
    old.opened, old.last_seen = 9, NOON + 3
    assert write(kept, old) == ["destination old.example:443"]
    assert {each["destination"]: each["connections"] for each in records(kept)}["old.example"] == 2


def test_a_day_keeps_the_sums_of_what_was_forgotten(tmp_path: Path) -> None:
    kept = store(tmp_path, max_entries=10)
    for i in range(50):
        write(kept, seen(f"host-{i}.example", NOON + i, opened=3))
    assert kept.ask([], lambda c: sums(c, "daily"))["connections"] == 150
    assert kept.ask([], lambda c: sums(c, "tally"))["connections"] <= 30


def test_100_000_destinations_stay_within_the_bound(tmp_path: Path) -> None:
    kept = store(tmp_path, max_entries=1_000)
    for batch in range(50):
        rows = [seen(f"host-{batch}-{i}.example", NOON + batch) for i in range(2_000)]
        assert kept.write(rows) is not None
        assert kept.counts.rows <= 1_000
        kept.tidy([], NOON + batch + 7_200, clock_trusted=False)
    assert kept.counts.rows + kept.counts.evicted == 100_000
    assert kept.ask([], lambda c: sums(c, "daily"))["connections"] == 100_000
    assert (tmp_path / "inventory.db").stat().st_size < 8_000_000


def test_what_is_past_its_time_goes(tmp_path: Path) -> None:
    kept = store(tmp_path, retention_days=30.0, history_days=7)
    write(
        kept,
        seen("old.example", NOON - 31 * DAY_SECONDS),
        seen("young.example", NOON - 20 * DAY_SECONDS),
        seen("now.example", NOON),
    )
    kept.tidy([], NOON, clock_trusted=False)
    assert len(records(kept)) == 3
    kept.tidy([], NOON, clock_trusted=True)
    assert {each["destination"] for each in records(kept)} == {"young.example", "now.example"}
    assert kept.ask([], lambda c: sums(c, "daily"))["connections"] == 1
    assert kept.counts.expired == 1


def test_times_of_a_clock_that_was_not_set_are_not_old(tmp_path: Path) -> None:
    kept = store(tmp_path, retention_days=30.0)
    write(kept, seen("boot.example", 60.0))
    kept.tidy([], NOON, clock_trusted=True)
    assert len(records(kept)) == 1


def test_rows_that_are_gone_for_long_are_not_remembered(tmp_path: Path) -> None:
    kept = store(tmp_path)
    live, gone, just_gone = seen("live.example", NOON), seen("gone.example", NOON), seen("just.example", NOON + 3_000)
    write(kept, live, gone, just_gone)
    kept.tidy([live], NOON + 4_000, clock_trusted=True)
    left = {row for (row,) in kept.ask([], lambda c: c.execute("SELECT row FROM applied").fetchall())}
    assert left == {row_key(live), row_key(just_gone)}
    live.opened = 5
    write(kept, live)
    assert {each["destination"]: each["connections"] for each in records(kept)}["live.example"] == 5


def test_workloads_without_entries_go(tmp_path: Path) -> None:
    kept = store(tmp_path, max_entries=5)
    for i in range(20):
        row = seen(f"host-{i}.example", NOON + i)
        other = flow(workload=type(row.labels.workload)(kind="process", name=f"job-{i}"), opened=1)
        other.last_seen = NOON + i
        write(kept, other)
    assert kept.ask([], lambda c: c.execute("SELECT count(*) FROM workload").fetchone()[0]) <= 5


def test_evicted_is_zero_at_first(tmp_path: Path) -> None:
    assert store(tmp_path).ask([], bounds.evicted) == 0
