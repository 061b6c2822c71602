"""The first rows of the whole list, without reading all of each: only what tells them apart and their order."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from kindling.inventory.counters import COUNTERS, FAILED
from kindling.inventory.items import Item, items

#: What the list can be sorted by without more than a number of each entry.
KEYS: Final = {
    "connections": "connections",
    "bytes_out": "bytes_out",
    "bytes_in": "bytes_in",
    "failures": " + ".join(FAILED),
    "last_seen": "last_seen",
}
_SUMS: Final = f"SELECT {', '.join(f'coalesce(sum({name}), 0)' for name in COUNTERS)} FROM tally"  # noqa: S608
#: Entries of an unknown protocol, each with a known one of the same port if there is any: the busiest.
_SIBLINGS: Final = """
SELECT one.id, (
    SELECT other.id FROM entry AS other JOIN tally ON tally.entry = other.id
    WHERE other.workload = one.workload AND other.destination = one.destination AND other.port = one.port
      AND other.transport = one.transport AND other.protocol != 'unknown' AND other.scope = one.scope
    ORDER BY tally.connections DESC, other.id LIMIT 1
) AS sibling FROM entry AS one WHERE one.protocol = 'unknown' AND sibling IS NOT NULL
"""


def leading(connection: sqlite3.Connection, key: str, *, limit: int, backwards: bool) -> tuple[list[Item], int]:
    """The first `limit` rows by one of KEYS, from high to low, and how many rows there are."""
    joined = dict(connection.execute(_SIBLINGS).fetchall())
    values = dict(connection.execute(f"SELECT entry, {KEYS[key]} FROM tally").fetchall())  # noqa: S608 -- of KEYS
    for entry, sibling in joined.items():
        more = values.pop(entry)
        values[sibling] = max(values[sibling], more) if key == "last_seen" else values[sibling] + more
    order: list[int] = sorted(values, key=values.__getitem__, reverse=not backwards)[:limit]
    shown = set(order)
    parts = [entry for entry, sibling in joined.items() if sibling in shown]
    found = {number: item for item in items(connection, only=[*order, *parts]) for number in item.ids}
    return [found[entry] for entry in order], len(values)


def sums(connection: sqlite3.Connection) -> tuple[int, ...]:
    """All counters of all entries."""
    found: tuple[Any, ...] = connection.execute(_SUMS).fetchone()
    return found
