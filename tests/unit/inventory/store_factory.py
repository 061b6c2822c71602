"""A store in a folder, and what it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from factories import NOON
from kindling.config import Inventory
from kindling.inventory.counters import COUNTERS
from kindling.inventory.query import Query, answer
from kindling.inventory.store import Extras, Store
from kindling.inventory.watching import Watched
from kindling.model import FlowRow

BOOT = "11111111-2222-3333-4444-555555555555"


class Said(list[str]):
    """What the agent would have told its log."""

    def __call__(self, line: str) -> None:
        self.append(line)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


_OPENED: list[Store] = []


def store(folder: Path, *, boot: str = BOOT, clock: Clock | None = None, **settings: Any) -> Store:
    values = {"learning_seconds": 0.0} | settings
    made = Store(folder, Inventory(**values), Said(), boot, clock or Clock())
    _OPENED.append(made)
    return made


def close_all() -> None:
    """Close every store that was made here."""
    while _OPENED:
        _OPENED.pop().close()


def write(kept: Store, *rows: FlowRow) -> list[str]:
    """Rows in one transaction; what is new as "kind destination:port"."""
    news = kept.write(rows, Extras(Watched(NOON, NOON - 600)))
    assert news is not None, kept.trouble
    return [f"{novelty.kind} {novelty.destination}:{novelty.port}" for _, novelty in news]


def records(kept: Store, rows: Iterable[FlowRow] = (), **query: Any) -> list[dict[str, Any]]:
    return list(kept.ask(list(rows), lambda connection: answer(connection, Query(**query))).rows)


def sums(connection: sqlite3.Connection, table: str) -> dict[str, int]:
    """All counters of a table, added up."""
    columns = ", ".join(f"coalesce(sum({name}), 0)" for name in COUNTERS)
    found = connection.execute(f"SELECT {columns} FROM {table}").fetchone()
    return dict(zip(COUNTERS, found, strict=True))
