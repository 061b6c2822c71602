"""Disks that are full, read-only or gone: nothing raises, it is said once, and all is written later."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from factories import NOON, flow
from kindling.inventory.store import Extras, Store, explain
from kindling.inventory.told import REMEMBERED
from kindling.inventory.watching import Watched
from unit.inventory.store_factory import Said, records, store, write


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


def fill(place: Path) -> Path:
    """Takes what is left of a disk."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    return ballast


@pytest.mark.root
def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as place:
        kept = store(place)
        said = kept.say
        assert isinstance(said, Said)
        write(kept, flow(opened=1, name="before.example"))
        ballast = fill(place)
        rows = [flow(opened=2, name=f"host-{i}.example") for i in range(2_000)]
        assert kept.write(rows) is None
        assert kept.write(rows) is None
        assert kept.trouble
        assert kept.trouble.reason == "the disk is full"
        assert len(said) == 1
        assert kept.counts.write_errors == 2
        # what was written is there, and what waits is part of every answer
        assert len(records(kept)) == 1
        assert sum(each["connections"] for each in records(kept, rows)) == 4_001
        ballast.unlink()
        assert kept.write(rows) is not None
        assert "written again" in said[-1]
        assert len(said) == 2
        assert sum(each["connections"] for each in records(kept)) == 4_001
        kept.close()


@pytest.mark.root
def test_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as place:
        kept = store(place)
        write(kept, flow(opened=1))
        kept.close()
        remount(place, "ro")
        kept = store(place)
        later = flow(opened=3)
        assert kept.write([later]) is None
        assert kept.trouble
        assert "read-only" in kept.trouble.reason
        assert records(kept, [later])[0]["connections"] == 3
        remount(place, "rw")
        assert kept.write([later]) is not None
        assert records(kept)[0]["connections"] == 3
        kept.close()


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    place = tmp_path / "inventory.db"
    place.mkdir()
    kept = store(tmp_path)
    assert kept.write([flow(opened=1)]) is None
    assert kept.trouble
    assert kept.trouble.reason == "is a directory"
    assert records(kept, [flow(opened=1)])[0]["connections"] == 1
    assert kept.told() == []
    assert kept.waiting() == []
    place.rmdir()
    assert kept.write([flow(opened=1)]) is not None


def test_a_file_that_another_program_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kindling.inventory.database._BUSY_SECONDS", 0.01)
    kept = store(tmp_path)
    write(kept, flow(opened=1))
    kept.close()
    other = sqlite3.connect(tmp_path / "inventory.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert kept.write([flow(opened=2)]) is None
    assert kept.trouble
    assert kept.trouble.reason == "another program holds it"
    other.close()
    assert kept.write([flow(opened=2)]) is not None
    assert records(kept)[0]["connections"] == 2


def test_what_the_reasons_say() -> None:
    assert explain(OSError(28, os.strerror(28))) == "no space left on device"
    assert explain(OSError("odd")) == "odd"
    assert explain(sqlite3.OperationalError("odd")) == "odd"


def test_news_wait_until_they_are_handed_out(tmp_path: Path) -> None:
    kept = store(tmp_path)
    news = kept.write([flow(opened=1)])
    assert news is not None
    kept.close()
    again = store(tmp_path)
    assert again.waiting() == news
    again.write([], Extras(handed_out=[number for number, _ in news]))
    assert again.waiting() == []


def test_more_news_than_anybody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kindling.inventory.novelty.WAITING", 10)
    kept = store(tmp_path)
    write(kept, *(flow(opened=1, name=f"host-{i}.example") for i in range(30)))
    assert len(kept.waiting()) == 10


def test_what_was_told_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store(tmp_path)
    kept.write([], Extras(told=[("direct", "a"), ("direct", "b"), ("direct", "a")]))
    kept.close()
    again = store(tmp_path)
    assert again.told() == [("direct", "a"), ("direct", "b")]
    assert REMEMBERED > 2
    monkeypatch.setattr("kindling.inventory.told.REMEMBERED", 100)
    again.clock.now += 1  # type: ignore[attr-defined]
    again.write([], Extras(told=[("port", str(i)) for i in range(99)]))
    left = again.told()
    assert len(left) <= 100
    assert ("direct", "a") not in left or ("direct", "b") not in left


def test_rows_of_another_boot_count_from_zero(tmp_path: Path) -> None:
    one = store(tmp_path, boot="first")
    write(one, flow(opened=5))
    one.close()
    two: Store = store(tmp_path, boot="second")
    write(two, flow(opened=2))
    assert records(two)[0]["connections"] == 7


def test_the_kernel_names_the_boot(tmp_path: Path) -> None:
    kept = store(tmp_path, boot="")
    assert kept.write([flow(opened=1)], Extras(Watched(NOON, NOON))) is not None
    boot = kept.ask([], lambda c: c.execute("SELECT boot FROM watch").fetchone()[0])
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
