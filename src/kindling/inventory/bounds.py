"""What is forgotten: entries beyond the bound, entries and days beyond their time, rows that are gone.

What entries forgotten for the bound had counted on each day stays, under entry 0: the sums of a day do not shrink.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

from kindling.inventory import meta
from kindling.inventory.counters import COUNTERS
from kindling.inventory.entries import DAY_SECONDS, NO_ENTRY

#: How many more than needed go at once, as a share of the bound: looking for the oldest reads the whole table.
_MORE: Final = 0.02
#: Times before this (2001) were taken before the clock was set.
_CLOCK_UNSET: Final = 1e9
#: Seconds for which a row that is gone is remembered: an agent that was killed may show it once more.
_GONE_SECONDS: Final = 3_600.0
#: Entry 0, whose sums stay.
_SUMS: Final = ", ".join(f"sum({name})" for name in COUNTERS)
_FOLD: Final = (
    f"INSERT INTO daily (day, entry, {', '.join(COUNTERS)}) "  # noqa: S608
    f"SELECT day, {NO_ENTRY}, {_SUMS} FROM daily WHERE entry IN (SELECT id FROM going) GROUP BY day "
    "ON CONFLICT DO UPDATE SET " + ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTERS)
)
_EVICTED: Final = "evicted"


def evicted(connection: sqlite3.Connection) -> int:
    """Entries forgotten for the bound, ever."""
    return int(meta.number(connection, _EVICTED))


def evict(connection: sqlite3.Connection, limit: int) -> int:
    """Forgets entries that were idle longest when there are more than `limit`; returns how many."""
    count: int = connection.execute("SELECT count(*) FROM tally").fetchone()[0]
    if count <= limit:
        return 0
    surplus = min(count, count - limit + int(limit * _MORE))
    _going(connection, "SELECT entry FROM tally ORDER BY last_seen LIMIT ?", surplus)
    connection.execute(_FOLD)
    _forget(connection)
    meta.put(connection, _EVICTED, evicted(connection) + surplus)
    return surplus


def expire(connection: sqlite3.Connection, now: float, *, retention_days: float, history_days: int) -> int:
    """Forgets entries and days beyond their time; returns how many entries.

    Call it only when the clock can be trusted.
    """
    today = int(now // DAY_SECONDS)
    connection.execute("DELETE FROM daily WHERE day <= ?", (today - history_days,))
    before = now - retention_days * DAY_SECONDS
    _going(connection, f"SELECT entry FROM tally WHERE last_seen > {_CLOCK_UNSET} AND last_seen < ?", before)  # noqa: S608
    connection.execute(_FOLD)
    return _forget(connection)


def prune_applied(connection: sqlite3.Connection, live: Collection[int], now: float) -> None:
    """Forgets what was applied of rows that are gone for a while. `live`: keys of those that are there."""
    old = connection.execute("SELECT row FROM applied WHERE seen < ? OR seen > ?", (now - _GONE_SECONDS, now + 60))
    forget_applied(connection, [key for (key,) in old if key not in live])


def forget_applied(connection: sqlite3.Connection, keys: Iterable[int]) -> None:
    connection.executemany("DELETE FROM applied WHERE row = ?", [(key,) for key in keys])


def _going(connection: sqlite3.Connection, which: str, value: float) -> None:
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS going (id INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM going")
    connection.execute(f"INSERT INTO going {which}", (value,))


def _forget(connection: sqlite3.Connection) -> int:
    """Entries in `going`, and workloads that have none left. Their rows find a new entry when they change."""
    connection.execute("DELETE FROM daily WHERE entry IN (SELECT id FROM going)")
    connection.execute("DELETE FROM tally WHERE entry IN (SELECT id FROM going)")
    connection.execute("UPDATE applied SET entry = 0 WHERE entry IN (SELECT id FROM going)")
    count: int = connection.execute("DELETE FROM entry WHERE id IN (SELECT id FROM going)").rowcount
    if count:
        connection.execute("DELETE FROM workload WHERE id NOT IN (SELECT workload FROM entry)")
    return count
