"""One look at the agent: the rows of a screen, with their rates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from kindling.cli.client import Agent, agent_port, fetch
from kindling.cli.top.rates import Rates
from kindling.cli.top.state import Question
from kindling.cli.top.tabs import BY_NAME, RATE
from kindling.export.records import Record

_LOOPBACK: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Look:
    """An answer. `problem`: why there is none."""

    table: str = ""
    rows: list[Record] = field(default_factory=list)
    total: int = 0
    status: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


class Looker:
    """Asks the agent; remembers the looks before, to tell rates."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._port = agent_port(agent.url)
        self._rates = {name: Rates(tab.measure) for name, tab in BY_NAME.items() if tab.measure}

    def look(self, question: Question) -> Look:
        """Raises KindlingError as `fetch` does."""
        path, parameters = question
        table = path.rpartition("/")[2]
        status = fetch(self._agent, "/api/v1/status")
        answer = fetch(self._agent, path, parameters)
        rows = [row for row in answer["rows"] if not self._is_own(row)]
        own = len(answer["rows"]) - len(rows)
        if rates := self._rates.get(table):
            rates.add_to(rows, status["coverage"]["time"])
        return Look(table, rows, answer["total"] - own, status)

    def _is_own(self, row: Record) -> bool:
        """Whether a row is of this view's own questions to the agent: they would always be the latest."""
        return row.get("port") == self._port and row.get("local_ip") in _LOOPBACK


def ordered(rows: list[Record], sort: str, *, backwards: bool) -> list[Record]:
    """Fastest first; what the agent has sorted stays as it is."""
    if sort != RATE:
        return rows
    return sorted(rows, key=lambda row: (row[RATE], row.get("last_seen", 0.0)), reverse=not backwards)
