"""The commands that ask a running agent for one table."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

import click

from kindling.cli import options, watching
from kindling.cli.client import Agent, fetch
from kindling.cli.options import Filters
from kindling.cli.render import colourful, table_lines, terminal_width
from kindling.cli.writers import write_csv, write_json, write_markdown, write_ndjson
from kindling.export.coverage import coverage_lines
from kindling.export.table import Table

TABLE_LIMIT = 50

Question = list[tuple[str, str | int]]
#: What leaves no row out of the total.
_NO_FILTERS: Final = frozenset({"limit", "sort", "group_by"})


def asking_command(table: Table, help_text: str) -> click.Command:
    """The command of a table."""

    @click.command(table.name, help=help_text, short_help=table.title)
    @options.filters
    @options.selection(table.sortable, table.sort)
    @options.output
    @options.watch
    @options.colour
    @options.agent
    def command(agent: Agent, filters: Filters, output: str, watch: float | None, limit: int | None, sort: str) -> None:
        question: Question = [*filters.parameters(), ("limit", effective_limit(limit, output)), ("sort", sort)]
        ask_and_show(agent, table, question, output=output, watch=watch)

    return command


def ask_and_show(agent: Agent, table: Table, question: Question, *, output: str, watch: float | None) -> None:
    """Once, or again and again."""
    watching.check(output, watch)
    table = as_asked(table, question)

    def ask() -> dict[str, Any]:
        return fetch(agent, f"/api/v1/{table.name}", question)

    if watch is not None:
        show_again(table, ask, output, watch)
    show(table, ask(), output)


def as_asked(table: Table, question: Question) -> Table:
    """A table that says of itself why it is empty: nothing was seen, or nothing fits what was asked for."""
    filtered = any(name not in _NO_FILTERS for name, _ in question)
    return replace(table, empty="Nothing fits the filters.") if filtered else table


def show_again(table: Table, ask: Callable[[], dict[str, Any]], output: str, seconds: float) -> NoReturn:
    """Until Ctrl-C."""
    if output == "table":
        watching.show_again(seconds, lambda: answer_lines(table, ask()))
    else:
        watching.repeat(seconds, lambda: show(table, ask(), output))


def effective_limit(limit: int | None, output: str) -> int:
    if limit is not None:
        return limit
    return TABLE_LIMIT if output == "table" else 0


def show(table: Table, answer: dict[str, Any], output: str) -> None:
    """An answer of /api/v1, as --output says."""
    if output == "json":
        write_json(sys.stdout, answer)
    elif output == "table":
        click.echo("\n".join(answer_lines(table, answer)), color=colourful())
    else:
        write_rows(table, answer, output)


def write_rows(table: Table, answer: dict[str, Any], output: str) -> None:
    """The rows of an answer as ndjson, csv or markdown."""
    if output == "markdown":
        write_markdown(sys.stdout, table, answer)
    elif output == "csv":
        write_csv(sys.stdout, table.name, answer["rows"])
    else:
        write_ndjson(sys.stdout, answer["rows"])


def answer_lines(table: Table, answer: dict[str, Any], *, covered: bool = True) -> list[str]:
    """The table, how many rows it leaves out, and what the numbers do not contain."""
    rows: Sequence[dict[str, Any]] = answer["rows"]
    width = terminal_width()
    lines = table_lines(table, rows, width=width, colour=colourful())
    notes = []
    if answer["total"] > len(rows):
        notes.append(f"{answer['total'] - len(rows)} more rows: --limit 0 shows all")
    if any(row.get("inferred") for row in rows):
        notes.append("~ older than the agent: role and owner found out afterwards")
    if covered:
        notes += coverage_lines(answer["coverage"])
    if width is not None:
        notes = [line for note in notes for line in textwrap.wrap(note, width, subsequent_indent="    ")]
    return [*lines, "", *notes] if notes else lines
