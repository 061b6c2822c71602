"""What a workload did for the first time, as far back as the list reaches.

A novelty is written in the transaction that made it one, and crossed out in one after it was handed out: an agent that
is killed in between hands it out again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

from kindling.model import Sighting, Workload

NoveltyKind = Literal["destination", "port"]

#: Novelties that wait to be handed out; more are not kept, and counted.
WAITING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Novelty(Sighting[NoveltyKind]):
    """`destination`: this workload never reached it before. `port`: never at this port, or over this transport."""


def store(connection: sqlite3.Connection, novelties: Iterable[Novelty]) -> list[tuple[int, Novelty]]:
    """Each with the number under which it waits; at most WAITING in all."""
    room = WAITING - int(connection.execute("SELECT count(*) FROM news").fetchone()[0])
    stored: list[tuple[int, Novelty]] = []
    for novelty in novelties:
        if len(stored) >= room:
            break
        cursor = connection.execute("INSERT INTO news (novelty) VALUES (?)", (json.dumps(asdict(novelty)),))
        stored.append((cursor.lastrowid or 0, novelty))
    return stored


def waiting(connection: sqlite3.Connection) -> list[tuple[int, Novelty]]:
    """Those that an earlier agent did not hand out."""
    found = connection.execute("SELECT id, novelty FROM news ORDER BY id").fetchall()
    return [(number, _decode(json.loads(text))) for number, text in found]


def cross_out(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    connection.executemany("DELETE FROM news WHERE id = ?", [(number,) for number in numbers])


def _decode(values: dict[str, Any]) -> Novelty:
    known = {field.name for field in fields(Workload)}
    who = Workload(**{name: value for name, value in values.pop("workload").items() if name in known})
    return Novelty(workload=who, **values)
