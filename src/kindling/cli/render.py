"""Tables as text: fitted to a terminal, in full in a pipe.

rich and its like wrap and squeeze every column alike; here each column says what may be cut and which go first.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from kindling.cli.widths import cut, display_width, padded
from kindling.export.escape import terminal
from kindling.export.records import Record
from kindling.export.table import Column, Table

GAP = "  "
#: So many columns are left on the narrowest terminal.
_LEAST_COLUMNS = 2


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal behind the stream, None for a pipe or a file."""
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def colourful(stream: TextIO | None = None) -> bool:
    """Whether to write colours: as --color says, else to a terminal whose user did not ask for none (no-color.org)."""
    context = click.get_current_context(silent=True)
    if context is not None and context.color is not None:
        return context.color
    return (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table_lines(table: Table, rows: Sequence[Record], *, width: int | None = None, colour: bool = False) -> list[str]:
    """Header and a line per row; without rows, the sentence that says so. No line is wider than `width` cells."""
    if not rows:
        return [table.empty if width is None else cut(table.empty, width)]
    texts = cell_lines(table.columns, rows, width)
    if not colour:
        return texts
    lines = [f"\033[1m{texts[0]}\033[0m"]
    lines += (
        f"\033[31m{text}\033[0m" if failed(record) else text for record, text in zip(rows, texts[1:], strict=True)
    )
    return lines


def cell_lines(columns: Sequence[Column], rows: Sequence[Record], width: int | None) -> list[str]:
    """Header and a line per row, plain."""
    cells = [[terminal(column.show(row)) for column in columns] for row in rows]
    widths = [
        max(display_width(column.title), *(display_width(line[i]) for line in cells))
        for i, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if width is not None:
        shown = fit(columns, widths, width)
    lines = [_line(columns, cells, widths, shown) for cells in ([c.title for c in columns], *cells)]
    return lines if width is None else [cut(line, width) for line in lines]


def failed(record: Record) -> bool:
    """Whether a row tells of a failure."""
    return bool(record.get("error") or record.get("failures"))


def fit(columns: Sequence[Column], widths: list[int], available: int) -> list[int]:
    """Which columns to show; narrows `widths` in place."""
    shown = list(range(len(columns)))
    floors = [
        min(width, max(column.least, len(column.title))) if column.least else width
        for column, width in zip(columns, widths, strict=True)
    ]

    def total(each: Sequence[int]) -> int:
        return sum(each[i] for i in shown) + len(GAP) * (len(shown) - 1)

    while total(floors) > available and len(shown) > _LEAST_COLUMNS:
        rank = max(columns[i].rank for i in shown)
        shown.remove(max(i for i in shown if columns[i].rank == rank))
    while total(widths) > available:
        # the one that is farthest above its least width gives first; below it only when all are there
        spare = max(shown, key=lambda i: (widths[i] - floors[i], widths[i] if columns[i].least else 0))
        if widths[spare] <= 1:
            break
        widths[spare] -= 1
    return shown


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int], shown: Sequence[int]) -> str:
    parts = (
        padded(cut(cells[i], widths[i], keep_end=columns[i].keep_end), widths[i], right=columns[i].align == "right")
        for i in shown
    )
    return GAP.join(parts).rstrip()
