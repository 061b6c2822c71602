"""What was told once and is not told again: pairs of kind and key, bounded, the oldest are forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

Told = tuple[str, str]

#: Pairs remembered.
REMEMBERED: Final = 50_000


def load(connection: sqlite3.Connection) -> list[Told]:
    """The oldest first."""
    return [(kind, key) for kind, key in connection.execute("SELECT kind, key FROM told ORDER BY time")]


def remember(connection: sqlite3.Connection, told: Iterable[Told], now: float) -> None:
    connection.executemany(
        "INSERT INTO told (kind, key, time) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(kind, key, now) for kind, key in told],
    )
    beyond = connection.execute("SELECT count(*) FROM told").fetchone()[0] - REMEMBERED
    if beyond > 0:
        connection.execute(
            "DELETE FROM told WHERE (kind, key) IN (SELECT kind, key FROM told ORDER BY time LIMIT ?)",
            (beyond + REMEMBERED // 50,),
        )
