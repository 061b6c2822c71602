"""`kindling events`"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from typing import Any, Final, NoReturn

import click

from kindling.cli import options, watching
from kindling.cli.client import Agent, fetch
from kindling.cli.options import Filters
from kindling.cli.render import terminal_width
from kindling.cli.show import Question, ask_and_show, effective_limit
from kindling.cli.widths import cut, padded
from kindling.cli.writers import write_ndjson
from kindling.errors import BusyError, UnreachableError
from kindling.export.escape import terminal
from kindling.export.records import Record
from kindling.export.tables import EVENTS

_PATH: Final = "/api/v1/events"
#: So many that were there before are shown first, as `tail -f` does.
_BEFORE: Final = 10
_FOLLOW_SECONDS: Final = 1.0
#: An event may come so long after a later one: those of pods wait for their names.
_LATE_SECONDS: Final = 60.0
#: More than the agent keeps.
_REMEMBERED: Final = 5_000


@click.command(
    "events",
    help="""\
Single slow or failed requests, and connections that did not come to be; newest first.

\b
  kindling events
  kindling events --reason error --workload nginx
  kindling events --follow                       as they come, oldest first
  kindling events --follow -o ndjson | jq -r .name
  kindling events --since 15m -o csv > events.csv

WHY is "slow", "error", or why a connection failed: refused, reset, timeout, unreachable, local,
aborted. The agent keeps the latest thousand of each kind; tables count them all.
""",
)
@options.filters
@click.option(
    "--reason",
    multiple=True,
    type=click.Choice(["slow", "error", "refused", "reset", "timeout", "unreachable", "local", "aborted"]),
    help="Only for this reason; may be repeated.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@options.limit
@options.output
@options.watch
@options.colour
@options.agent
def command(
    agent: Agent,
    filters: Filters,
    reason: tuple[str, ...],
    follow: bool,
    limit: int | None,
    output: str,
    watch: float | None,
) -> None:
    watching.check(output, watch)
    question: Question = replace(filters, reason=reason).parameters()
    if follow:
        if watch is not None or output not in {"table", "ndjson"}:
            raise click.UsageError("--follow goes with --output table or ndjson, and not with --watch.")
        _follow(agent, question, output, limit)
    ask_and_show(agent, EVENTS, [*question, ("limit", effective_limit(limit, output))], output=output, watch=watch)


def _follow(agent: Agent, question: Question, output: str, limit: int | None) -> NoReturn:
    """Asks once a second for the latest ones: the agent keeps what came since, and what is shown already is known."""
    tail = Tail()
    before = _BEFORE if limit is None else limit
    _say(tail.news(fetch(agent, _PATH, question))[-before:], output)
    complained = False

    def once() -> None:
        nonlocal complained
        try:
            rows = tail.news(fetch(agent, _PATH, tail.latest(question)))
        except (BusyError, UnreachableError) as error:
            if not complained:
                click.echo(f"kindling: {error.message} Still trying; Ctrl-C ends.", err=True)
            complained = True
            return
        complained = False
        if tail.torn:
            click.echo("kindling: more came than the agent keeps: some are missing here.", err=True)
        _say(rows, output)

    watching.repeat(_FOLLOW_SECONDS, once)


def _say(rows: list[Record], output: str) -> None:
    if output == "ndjson":
        write_ndjson(sys.stdout, rows)
        return
    width = terminal_width()
    for row in rows:
        click.echo(event_line(row, width))


def event_line(row: Record, width: int | None) -> str:
    """One line, in columns as far as their usual widths go."""
    show = {column.key: terminal(column.show(row)) for column in EVENTS.columns}
    asked = " ".join(part for part in (show["operation"], show["status"]) if part != "-")
    took = padded(show["duration_ns"], 8, right=True)
    line = f"{show['time']}  {padded(show['reason'], 11)}  {took}  {show['workload']}  {show['remote_ip']}  {asked}"
    return line.rstrip() if width is None else cut(line.rstrip(), width)


class Tail:
    """Tells what is new in one answer after the other; each is newest first."""

    def __init__(self) -> None:
        self.torn = False
        """Nothing of what was shown was in the last answer: between them something may be missing."""
        self._shown: dict[str, int] = {}
        """How often each was shown, the last ones."""
        self._newest = 0.0

    def latest(self, question: Question) -> Question:
        """The question for the next answer: what came before the last one by far need not come again."""
        since = max([self._newest - _LATE_SECONDS, 0.0, *(float(value) for name, value in question if name == "since")])
        return [*(each for each in question if each[0] != "since"), ("since", f"{since:.3f}")]

    def news(self, answer: dict[str, Any]) -> list[Record]:
        """Oldest first. Two events may be alike: each is shown as often as it happened."""
        rows: list[Record] = answer["rows"]
        known, alike = bool(self._shown), Counter[str]()
        fresh: list[Record] = []
        for row in reversed(rows):
            key = json.dumps(row, sort_keys=True)
            alike[key] += 1
            if alike[key] > self._shown.get(key, 0):
                self._shown[key] = alike[key]
                fresh.append(row)
        while len(self._shown) > _REMEMBERED:
            del self._shown[next(iter(self._shown))]
        self.torn = known and len(fresh) == len(rows) > 0
        # the clock may have been set back
        self._newest = min(answer["coverage"]["time"], max([self._newest, *(row["time"] for row in rows)]))
        return fresh
