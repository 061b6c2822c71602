"""`kindling external --data`: the same answers without an agent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kindling.cli.show import Question
from kindling.inventory.coverage import coverage
from kindling.inventory.items import Record
from kindling.inventory.offline import offline
from kindling.inventory.parameters import query_of
from kindling.inventory.query import answer, history


def answer_offline(place: Path, path: str, question: Question) -> dict[str, Any]:
    """As the agent answers the question at this path of its API."""
    query = query_of(question)
    table = path.removeprefix("/api/v1/")
    with offline(place) as (connection, state):
        found = answer(connection, query)
        rows: list[Record] = list(found.rows)
        total = found.total
        if table != "external":
            rows = history(connection, query)
            total = len(rows)
    record = coverage(found, state, now=time.time(), live=False)
    return {"table": table, "total": total, "coverage": record, "rows": rows}
