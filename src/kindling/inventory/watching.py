"""When somebody watched: times without a gap, and what was lost in each.

An agent that was started again and missed nothing (the probe counted on) goes on with the time of the one before.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Final

#: Times kept; the oldest go first.
KEPT: Final = 10_000
#: Seconds by which a time may begin after the end of the last and still continue it: between two writes.
_SLACK: Final = 1.0

Losses = dict[str, int]


@dataclass(frozen=True, slots=True)
class Watched:
    """What a reading says of itself. Times are unix seconds."""

    time: float
    since: float
    """From when on everything was counted."""
    lost: Losses = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    since: float
    until: float
    lost: Losses

    @property
    def seconds(self) -> float:
        return max(0.0, self.until - self.since)


@dataclass(frozen=True, slots=True)
class Agent:
    """Who writes. `boot`: the kernel's id of this boot; `run`: any text of its own."""

    boot: str
    run: str


def prolong(connection: sqlite3.Connection, agent: Agent, now: Watched) -> None:
    """Extends the last time up to now, or begins a new one."""
    last = connection.execute("SELECT id, boot, run, since, until, lost FROM watch ORDER BY id DESC LIMIT 1").fetchone()
    if last is None or not _continues(agent, now, *last[1:5]):
        cursor = connection.execute(
            "INSERT INTO watch (boot, run, since, until, lost) VALUES (?, ?, ?, ?, ?)",
            (agent.boot, agent.run, now.since, max(now.since, now.time), json.dumps([{}, now.lost])),
        )
        connection.execute("DELETE FROM watch WHERE id <= ?", ((cursor.lastrowid or 0) - KEPT,))
        return
    earlier, counted = json.loads(last[5])
    if any(now.lost.get(cause, 0) < count for cause, count in counted.items()):
        earlier = _sum(earlier, counted)  # counted anew by this agent
    connection.execute(
        "UPDATE watch SET run = ?, until = max(since, ?), lost = ? WHERE id = ?",
        (agent.run, now.time, json.dumps([earlier, now.lost]), last[0]),
    )


def _continues(agent: Agent, now: Watched, boot: str, run: str, since: float, until: float) -> bool:
    return run == agent.run or (boot == agent.boot and since <= now.since <= until + _SLACK)


def _sum(one: Losses, other: Losses) -> Losses:
    return {cause: one.get(cause, 0) + other.get(cause, 0) for cause in one.keys() | other.keys()}


def periods(connection: sqlite3.Connection) -> list[Period]:
    """The oldest first."""
    found = connection.execute("SELECT since, until, lost FROM watch ORDER BY id").fetchall()
    return [Period(since, until, _sum(*json.loads(lost))) for since, until, lost in found]
