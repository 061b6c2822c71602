"""The commands that ask a running agent for one table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from kindling.cli import options
from kindling.cli.client import fetch
from kindling.cli.render import colourful, table_lines, terminal_width
from kindling.export.coverage import coverage_lines
from kindling.export.tables import Table

TABLE_LIMIT = 50


def asking_command(table: Table, help_text: str) -> click.Command:
    """The command of a table."""

    @click.command(table.name, help=help_text, short_help=table.title)
    @options.url
    @options.output
    @options.selection(table.sortable, table.sort)
    def command(url: str, output: str, limit: int | None, sort: str) -> None:
        answer = fetch(url, f"/api/v1/{table.name}", {"limit": effective_limit(limit, output), "sort": sort})
        show(table, answer, output)

    return command


def effective_limit(limit: int | None, output: str) -> int:
    if limit is not None:
        return limit
    return TABLE_LIMIT if output == "table" else 0


def show(table: Table, answer: dict[str, Any], output: str) -> None:
    """An answer of /api/v1."""
    if output == "json":
        json.dump(answer, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    click.echo("\n".join(answer_lines(table, answer)), color=colourful())


def answer_lines(table: Table, answer: dict[str, Any], *, covered: bool = True) -> list[str]:
    """The table, how many rows it leaves out, and what the numbers do not contain."""
    rows: Sequence[dict[str, Any]] = answer["rows"]
    lines = table_lines(table, rows, width=terminal_width(), colour=colourful())
    notes = []
    if answer["total"] > len(rows):
        notes.append(f"{answer['total'] - len(rows)} more rows: --limit 0 shows all")
    if any(row.get("inferred") for row in rows):
        notes.append("~ older than the agent: role and owner found out afterwards")
    if covered:
        notes += coverage_lines(answer["coverage"])
    return [*lines, "", *notes] if notes else lines
