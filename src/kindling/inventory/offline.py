"""The list of an agent that does not run, or of another machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kindling.errors import InputError, PrivilegeError
from kindling.inventory import bounds
from kindling.inventory.coverage import State
from kindling.inventory.database import FILE_NAME, open_to_read
from kindling.inventory.schema import APPLICATION_ID, VERSION
from kindling.inventory.store import explain


@contextmanager
def offline(place: Path) -> Iterator[tuple[sqlite3.Connection, State]]:
    """`place`: a data directory, or the file itself. Nothing is written.

    Raises InputError: no such file, or none of ours; PrivilegeError.
    """
    path = place / FILE_NAME if place.is_dir() else place
    if not path.exists():
        raise InputError(f"There is no list at {path}.", hint="Name the agent's data directory with --data DIR.")
    try:
        with closing(_open(path)) as connection:
            _check(connection, path)
            entries = connection.execute("SELECT count(*) FROM tally").fetchone()[0]
            yield connection, State(str(path), entries, bounds.evicted(connection))
    except sqlite3.Error as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
            raise PrivilegeError(f"{path} cannot be read: {explain(error)}.", hint="Run as root.") from None
        raise InputError(f"{path} cannot be read: {error}.") from None


def _open(path: Path) -> sqlite3.Connection:
    """Beside a running agent too. Where nothing at all may be written, as it lies there."""
    connection = open_to_read(path)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        connection = open_to_read(path, immutable=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise InputError(f"{path} is no list of Kindling.")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise InputError(
            f"{path} has the schema {version}, this version reads {VERSION}.",
            hint="An agent of this version brings an older file up to date.",
        )
