"""The file: whole frames or none, whatever is torn off or flipped."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.model import FlowLabels, Workload
from kindling.table.journal import FileJournal, Journal
from kindling.table.records import FLOW, VERSION, Added, Bound, FlowRecord, Folded, Head, Lost, Record, Text, Who
from kindling.table.recovered import NothingSavedError, Recovered, recover

HEAD = Head(VERSION, "boot", "maps", 12.5, ["opened", "unsettled"], ["slow"])
CURL = Workload(kind="process", name="curl", pid=7)
LABELS = FlowLabels(
    workload=CURL,
    role="client",
    transport="tcp",
    protocol="tls",
    local_ip="192.0.2.1",
    remote_ip="198.51.100.7",
    port=443,
    name="example.org",
    evidence="sni",
    inferred=False,
)
ROW = FlowRecord(1, LABELS, 1.25, 2.5, {0: 5}, (1, 2, "1.3", "h2"))
FRAMES: list[list[Record]] = [
    [ROW, Bound(FLOW, 3, 1, (1 << 63) + 9, (1 << 63) + 9, 1)],
    [Text(77, 1, 2, b"GET /\xff"), Who(1 << 63, CURL)],
    [Folded(FLOW, 3, 1, {0: 7, 1: (1 << 64) - 1}, 3.5, {0: 1})],
    [Added(FLOW, 1, {0: -2}), Lost({"flow_rows": 3}, {"gap": 1.0}, 4)],
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal"


def write(path: Path) -> list[int]:
    """Returns the file's size after each frame."""
    journal = FileJournal(path)
    journal.rewrite([HEAD])
    sizes = [path.stat().st_size]
    for frame in FRAMES:
        for record in frame:
            journal.put(record)
        journal.commit()
        sizes.append(path.stat().st_size)
    journal.close()
    return sizes


def read(path: Path) -> Recovered:
    journal = FileJournal(path)
    try:
        return recover(journal, "boot")
    finally:
        journal.close()


def state(journal: FileJournal) -> tuple[bool, bool]:
    """Failing, overgrown: asked anew each time."""
    return journal.failing, journal.overgrown


def test_what_was_written_is_read(path: Path) -> None:
    write(path)
    saved = read(path)
    assert saved.head == HEAD
    assert saved.rows[FLOW][1].record == ROW
    assert saved.rows[FLOW][1].totals == {0: 5 + 7 + 1 - 2, 1: -1}
    assert saved.rows[FLOW][1].last_seen == 3.5
    assert saved.slots[FLOW][3].folded
    assert saved.kin == {(1 << 63) + 9: LABELS}
    assert saved.texts[77].text == b"GET /\xff"
    assert saved.owners[1 << 63].pid == 7
    assert (saved.lost.counts, saved.unanswered) == ({"flow_rows": 3}, 4)


def test_torn_off_at_every_byte(path: Path) -> None:
    sizes = write(path)
    whole = path.read_bytes()
    for length in range(sizes[0], len(whole) + 1):
        path.write_bytes(whole[:length])
        frames = sum(size <= length for size in sizes)
        journal = FileJournal(path)
        assert len(list(journal.read())) == frames
        assert path.stat().st_size == sizes[frames - 1]  # what is written next follows a whole frame
        journal.put(Text(1, 1, 1, b"more"))
        journal.commit()
        journal.close()
        assert 1 in read(path).texts


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_ends_it(at: int, flip: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        sizes = write(path)
        content = bytearray(path.read_bytes())
        at %= len(content)
        content[at] ^= flip
        path.write_bytes(content)
        journal = FileJournal(path)
        assert len(list(journal.read())) == sum(size <= at for size in sizes)
        journal.close()


@given(st.binary(max_size=200))
def test_garbage_is_no_journal(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        path.write_bytes(content)
        with pytest.raises(NothingSavedError):
            read(path)


@pytest.mark.parametrize("head", [Head(VERSION + 1, "boot", "", 0.0, [], []), ROW])
def test_of_another_version(path: Path, head: Record) -> None:
    journal = FileJournal(path)
    journal.rewrite([head])
    journal.close()
    with pytest.raises(NothingSavedError, match="another version"):
        read(path)


def test_of_another_boot(path: Path) -> None:
    write(path)
    with pytest.raises(NothingSavedError, match=r"^$"):
        recover(FileJournal(path), "later")


def test_columns_that_moved(path: Path) -> None:
    write(path)
    saved = read(path)
    saved.translate(["unsettled", "new", "opened"], ["slow"])
    assert saved.rows[FLOW][1].totals == {2: 11, 0: -1}


def test_nothing_to_commit_costs_nothing(path: Path) -> None:
    journal = FileJournal(path)
    journal.rewrite([HEAD])
    before = journal.bytes_written
    journal.commit()
    assert journal.bytes_written == before
    journal.close()


def test_grown_to_twice_its_size_it_is_written_anew(path: Path) -> None:
    journal = FileJournal(path)
    journal.rewrite([HEAD])
    while not state(journal)[1]:
        journal.put(Text(1, 1, 1, bytes(60_000)))
        journal.commit()
    assert 1 << 20 <= path.stat().st_size < 1_200_000
    journal.rewrite([HEAD])
    assert not state(journal)[1]
    assert path.stat().st_size < 1_000
    journal.close()


def test_a_disk_that_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No journal is better than one with a hole; it is written as a whole when there is room again."""
    journal = FileJournal(path)
    journal.rewrite([HEAD])
    with monkeypatch.context() as patch:
        patch.setattr("kindling.table.journal.os.write", _full)
        journal.put(ROW)
        journal.commit()
        assert state(journal)[0]
        assert not path.exists()
        journal.rewrite([HEAD])
        assert state(journal)[0]
    assert not state(journal)[1]  # not at once
    journal.put(ROW)
    journal.commit()
    journal.rewrite([HEAD])
    assert not state(journal)[0]
    assert read(path).head == HEAD
    journal.close()


def _full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_no_directory_to_write_in(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = FileJournal(tmp_path / "file" / "journal")
    journal.rewrite([HEAD])
    assert state(journal)[0]
    assert len(journal.marks("flow", 10)) == 10


def test_marks_outlive_it(path: Path) -> None:
    marks = FileJournal(path).marks("flow", 100)
    marks["at"][99] = 4.5
    assert FileJournal(path).marks("flow", 100)["at"][99] == 4.5
    assert Journal().marks("flow", 100)["at"][99] == 0
