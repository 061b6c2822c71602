"""The file: versions, foreign and broken content."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from factories import flow
from kindling.inventory import database
from kindling.inventory.database import BrokenFileError, Database, move_aside
from kindling.inventory.schema import APPLICATION_ID, MIGRATIONS, VERSION
from unit.inventory.store_factory import records, store, sums, write

OLD = Path(__file__).parent / "version1.db"


def schema(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    finally:
        connection.close()
    return [text for (text,) in found]


def test_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    opened = Database(path)
    connection = opened.connection
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    opened.close()
    assert path.stat().st_mode & 0o777 == 0o640


def test_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    """The file was written by version 1: three entries of two workloads, two days, one gap."""
    assert len(MIGRATIONS) > 1
    shutil.copy(OLD, tmp_path / "inventory.db")
    kept = store(tmp_path)
    found = {(each["workload"], each["destination"], each["port"]): each for each in records(kept)}
    assert {key: each["connections"] for key, each in found.items()} == {
        ("curl", "example.org", 443): 7,
        ("shop", "example.org", 443): 2,
        ("shop", "192.0.2.9", 25): 0,
    }
    assert found["shop", "192.0.2.9", 25]["failed"] == {"timeout": 3}
    assert {each["network"] for each in found.values()} == {""}
    assert write(kept, flow(opened=9, bytes_in=100)) == []  # goes on: same boot, same row, two more
    assert records(kept)[0]["connections"] == 9
    found_sums = kept.ask([], lambda c: (sums(c, "daily"), sums(c, "tally")))
    assert found_sums[0] == found_sums[1]
    kept.close()
    fresh = tmp_path / "fresh.db"
    Database(fresh).close()
    assert len(schema(fresh)) == len(schema(tmp_path / "inventory.db"))


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    opened = Database(path)
    opened.connection.execute(f"PRAGMA user_version={VERSION + 1}")
    opened.close()
    with pytest.raises(BrokenFileError, match="newer version"):
        Database(path)


def test_a_database_of_another_program_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(BrokenFileError, match="another program"):
        Database(path)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + bytes(4080)])
def test_what_is_no_database_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "inventory.db"
    path.write_bytes(content)
    kept = store(tmp_path)
    write(kept, flow(opened=1))
    assert len(records(kept)) == 1
    (broken,) = tmp_path.glob("inventory.db.broken-*")
    assert broken.read_bytes() == content
    assert len(kept.say) == 1  # type: ignore[arg-type]
    assert broken.name in kept.say[0]  # type: ignore[index]
    assert kept.counts.broken_files == 1


def test_a_page_that_breaks_while_the_file_is_open(tmp_path: Path) -> None:
    """What the rows still hold is in the new file."""
    kept = store(tmp_path)
    rows = [flow(opened=i + 1, name=f"host-{i}.example") for i in range(500)]
    write(kept, *rows)
    kept.close()  # and the log is in the file now
    path = tmp_path / "inventory.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    assert kept.write(rows) is not None
    assert sum(each["connections"] for each in records(kept)) == sum(range(501))
    assert len(list(tmp_path.glob("inventory.db.broken-*"))) == 1


def test_only_the_latest_broken_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    for i in range(database.BROKEN_KEPT + 3):
        path.write_text(f"broken {i}")
        path.with_name("inventory.db-wal").write_text("log")
        move_aside(path)
    assert not path.exists()
    assert len([p for p in tmp_path.iterdir() if not p.name.endswith("-wal")]) == database.BROKEN_KEPT


def test_a_file_that_was_removed_is_begun_anew(tmp_path: Path) -> None:
    kept = store(tmp_path)
    row = flow(opened=2)
    write(kept, row)
    (tmp_path / "inventory.db").unlink()
    row.opened = 3
    write(kept, row)
    assert records(kept)[0]["connections"] == 3
    assert (tmp_path / "inventory.db").exists()
    assert "removed" in kept.say[0]  # type: ignore[index]


def test_what_is_tried_does_not_stay(tmp_path: Path) -> None:
    kept = store(tmp_path)
    assert records(kept, [flow(opened=3)])[0]["connections"] == 3
    assert records(kept) == []
    assert kept.ask([], lambda c: c.execute("SELECT count(*) FROM applied").fetchone()) == (0,)
    assert kept.counts.write_errors == 0
