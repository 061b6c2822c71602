"""Single values of the database by name."""

from __future__ import annotations

import sqlite3


def text(connection: sqlite3.Connection, name: str) -> str:
    """Empty when there is none."""
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(found[0]) if found else ""


def number(connection: sqlite3.Connection, name: str) -> float:
    """0 when there is none."""
    return float(text(connection, name) or 0)


def put(connection: sqlite3.Connection, name: str, value: str | float) -> None:
    connection.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name, value)
    )
