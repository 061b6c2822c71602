"""The file: opened, checked, brought up to date; moved aside when it cannot be read.

WAL, so that a writer never waits for a reader. `synchronous=FULL` syncs the log at each commit: a commit happens every
few seconds, in a thread of its own, so the stronger promise (what was committed survives a power failure) costs nothing
that anybody waits for. `cache_spill=OFF` keeps in memory what is not committed: a question may look at rows that are
rolled back afterwards.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from kindling.inventory.schema import APPLICATION_ID, MIGRATIONS, VERSION

FILE_NAME: Final = "inventory.db"
#: Broken files kept beside the new one; the oldest go first.
BROKEN_KEPT: Final = 3

_BUSY_SECONDS: Final = 2.0
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_spill=OFF",
    "cache_size=-1024",  # KiB
    "temp_store=MEMORY",
    "journal_size_limit=4194304",
)
_SIDES: Final = ("", "-wal", "-shm")
_BROKEN_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class BrokenFileError(Exception):
    """The file cannot be read, or not by this version."""


def is_broken(error: sqlite3.Error) -> bool:
    """Whether an error is about what is in the file, and not about the disk."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _BROKEN_CODES


class Database:
    """One connection, of one thread. `path` None: in memory, for what no disk takes."""

    def __init__(self, path: Path | None) -> None:
        """Raises OSError, sqlite3.Error: the disk; BrokenFileError: the content."""
        self._path = path
        if path is not None:
            # sqlite3 would create it readable for all
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
        self.connection = sqlite3.connect(
            ":memory:" if path is None else path, timeout=_BUSY_SECONDS, isolation_level=None
        )
        try:
            self._prepare()
        except BaseException as error:
            self.connection.close()
            if isinstance(error, sqlite3.Error) and is_broken(error):
                raise BrokenFileError(str(error)) from None
            raise
        self._inode = self._identity()

    def is_still_there(self) -> bool:
        """Whether the file was not removed or replaced meanwhile: nobody would ever see what is written to it."""
        return self._identity() == self._inode

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    @contextmanager
    def trial(self) -> Iterator[sqlite3.Connection]:
        """Nothing of what is done within it stays."""
        self.connection.execute("BEGIN")
        try:
            yield self.connection
        finally:
            self._roll_back()

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.close()

    def _roll_back(self) -> None:
        if self.connection.in_transaction:  # sqlite has done it already after some errors
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _prepare(self) -> None:
        for pragma in _PRAGMAS:
            self.connection.execute(f"PRAGMA {pragma}")
        fault = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise BrokenFileError(str(fault))
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise BrokenFileError(f"written by a newer version: schema {version}, known up to {VERSION}")
        application = self.connection.execute("PRAGMA application_id").fetchone()[0]
        begun = self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if (version or begun) and application != APPLICATION_ID:
            raise BrokenFileError("a database of another program")
        self._migrate(version)

    def _migrate(self, version: int) -> None:
        for number, steps in enumerate(MIGRATIONS[version:], version + 1):
            with self.transaction() as connection:
                for step in steps:
                    connection.execute(step)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={number}")


def move_aside(path: Path) -> Path:
    """Gives a broken file, and what belongs to it, another name; returns the new one. Raises OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target, number = path.with_name(f"{path.name}.broken-{stamp}"), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.broken-{stamp}-{number}")
    for side in _SIDES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(target.with_name(target.name + side))
    _forget_old(path)
    return target


def _forget_old(path: Path) -> None:
    broken = [found for found in path.parent.glob(f"{path.name}.broken-*") if not found.name.endswith(_SIDES[1:])]
    broken.sort(key=lambda found: found.stat().st_mtime)
    for old in broken[:-BROKEN_KEPT]:
        for side in _SIDES:
            with suppress(OSError):
                old.with_name(old.name + side).unlink()


def open_to_read(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A connection for questions only, beside an agent that may be writing. `immutable`: on a disk that cannot be
    written, what is in the log beside the file is not seen. Raises sqlite3.Error.
    """
    how = "immutable=1" if immutable else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
