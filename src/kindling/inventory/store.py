"""What may happen to the database: rows are written, a question is answered, the disk fails and comes back.

All of one thread. Nothing raises for the disk's sake: `trouble` says what is wrong, and what was not written stays with
the caller.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from kindling.config import Inventory
from kindling.inventory import bounds, meta, novelty, told
from kindling.inventory.database import FILE_NAME, BrokenFileError, Database, is_broken, move_aside
from kindling.inventory.entries import Applying
from kindling.inventory.identity import row_key
from kindling.inventory.novelty import Novelty
from kindling.inventory.told import Told
from kindling.inventory.watching import Agent, Watched, prolong
from kindling.model import FlowRow

T = TypeVar("T")
Say = Callable[[str], None]
Question = Callable[[sqlite3.Connection], T]

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Trouble:
    """The disk does not take what is written."""

    reason: str
    since: float
    """Unix seconds."""


@dataclass(slots=True)
class Extras:
    """What goes into a transaction besides rows."""

    watched: Watched | None = None
    told: Sequence[Told] = ()
    handed_out: Sequence[int] = ()


@dataclass(slots=True)
class Counts:
    """Of this agent."""

    rows: int = 0
    """Entries there are."""
    evicted: int = 0
    """Entries forgotten for the bound, by all agents."""
    expired: int = 0
    writes: int = 0
    write_errors: int = 0
    broken_files: int = 0


@dataclass(slots=True)
class Store:
    """`boot`: the kernel's id of this boot; rows of another boot count from 0."""

    folder: Path
    settings: Inventory
    say: Say
    boot: str = ""
    clock: Callable[[], float] = time.time
    trouble: Trouble | None = None
    counts: Counts = field(default_factory=Counts)
    _database: Database | None = None
    _agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        self._agent = Agent(self.boot or boot_id(), uuid.uuid4().hex)

    @property
    def path(self) -> Path:
        return self.folder / FILE_NAME

    # --- writing -------------------------------------------------------------------------------

    def write(self, rows: Sequence[FlowRow], extras: Extras | None = None) -> list[tuple[int, Novelty]] | None:
        """Adds rows in one transaction; returns what is new, None when nothing could be written."""
        extras = extras or Extras()
        try:
            database = self._open()
            with database.transaction() as connection:
                news = self._write(connection, rows, extras)
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
            return None
        self.counts.writes += 1
        self._recovered()
        return news

    def _write(
        self, connection: sqlite3.Connection, rows: Sequence[FlowRow], extras: Extras
    ) -> list[tuple[int, Novelty]]:
        applying = Applying(connection, self.settings.max_addresses)
        applying.apply(rows)
        evicted = bounds.evict(connection, self.settings.max_entries)
        if extras.watched:
            prolong(connection, self._agent, extras.watched)
        if extras.told:
            told.remember(connection, extras.told, self.clock())
        novelty.cross_out(connection, extras.handed_out)
        news = [] if self._learning(connection) else novelty.store(connection, applying.novelties)
        self.counts.rows = int(connection.execute("SELECT count(*) FROM tally").fetchone()[0])
        self.counts.evicted += evicted
        return news

    def tidy(self, live: Sequence[FlowRow], now: float, *, clock_trusted: bool) -> None:
        """Forgets what is past its time, and rows that are gone. `live`: those that are there."""
        try:
            keys = {row_key(row) for row in live}
            with self._open().transaction() as connection:
                bounds.prune_applied(connection, keys, now)
                if clock_trusted:
                    self.counts.expired += bounds.expire(
                        connection,
                        now,
                        retention_days=self.settings.retention_days,
                        history_days=self.settings.history_days,
                    )
        except (OSError, sqlite3.Error) as error:
            self._fail(error)

    def _learning(self, connection: sqlite3.Connection) -> bool:
        born = meta.number(connection, "born")
        return born <= self.clock() < born + self.settings.learning_seconds

    # --- reading -------------------------------------------------------------------------------

    def ask(
        self, rows: Sequence[FlowRow], question: Question[T], watched: Watched | None = None, *, days: bool = True
    ) -> T:
        """Answers as if the rows had been written already; of these rows alone while there is no file to read.

        `days`: the question is of the history.
        """
        try:
            return self._ask(self._open(), rows, question, watched, days=days)
        except (OSError, sqlite3.Error) as error:
            if is_wrong(error):
                raise
            self._fail(error)
        database = Database(None)
        try:
            return self._ask(database, rows, question, watched, days=days)
        finally:
            database.close()

    def _ask(
        self,
        database: Database,
        rows: Sequence[FlowRow],
        question: Question[T],
        watched: Watched | None,
        *,
        days: bool,
    ) -> T:
        with database.trial() as connection:
            Applying(connection, self.settings.max_addresses).try_on(rows, days=days)
            if watched:
                prolong(connection, self._agent, watched)
            return question(connection)

    def told(self) -> list[Told]:
        """What was told by earlier agents."""
        return self._read(told.load)

    def waiting(self) -> list[tuple[int, Novelty]]:
        """What earlier agents found and did not hand out."""
        return self._read(novelty.waiting)

    def _read(self, question: Question[list[T]]) -> list[T]:
        try:
            return question(self._open().connection)
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
            return []

    # --- the file ------------------------------------------------------------------------------

    def close(self) -> None:
        if self._database:
            self._database.close()
            self._database = None

    def _open(self) -> Database:
        """The open file; a new one in the place of one that is broken or gone."""
        if self._database and not self._database.is_still_there():
            self.say(f"{self.path} was removed while it was open: what is still counted is written anew")
            self.close()
        if self._database is None:
            try:
                self._database = Database(self.path)
            except BrokenFileError as error:
                self._move_aside(str(error))
                self._database = Database(self.path)
            self._begin(self._database)
        return self._database

    def _begin(self, database: Database) -> None:
        with database.transaction() as connection:
            if meta.text(connection, "boot") != self._agent.boot:
                connection.execute("DELETE FROM applied")
                meta.put(connection, "boot", self._agent.boot)
            if not meta.text(connection, "born"):
                meta.put(connection, "born", self.clock())
            self.counts.evicted = bounds.evicted(connection)

    def _move_aside(self, reason: str) -> None:
        self.counts.broken_files += 1
        target = move_aside(self.path)
        self.say(f"{self.path} cannot be read ({reason}): moved to {target.name}, a new list is begun")

    def _fail(self, error: OSError | sqlite3.Error) -> None:
        """Remembers and says, once, what is wrong; the file is opened anew next time."""
        self.counts.write_errors += 1
        self.close()
        if isinstance(error, sqlite3.Error) and is_broken(error):
            try:
                self._move_aside(str(error))
            except OSError as obstacle:
                error = obstacle
            else:
                return
        reason = explain(error)
        if self.trouble is None or self.trouble.reason != reason:
            self.trouble = Trouble(reason, self.trouble.since if self.trouble else self.clock())
            self.say(
                f"{self.path} cannot be written: {reason}. What changes is kept in memory, and written when it can be"
            )

    def _recovered(self) -> None:
        if self.trouble:
            self.trouble = None
            self.say(f"{self.path} is written again")


_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the disk is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "not permitted",
    sqlite3.SQLITE_BUSY: "another program holds it",
    sqlite3.SQLITE_IOERR: "the disk fails",
}


def is_wrong(error: OSError | sqlite3.Error) -> bool:
    """Whether it was the question, and not the disk."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR


def explain(error: OSError | sqlite3.Error) -> str:
    """In words a reader can act upon."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return _REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))


def boot_id() -> str:
    """Empty where the kernel does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
