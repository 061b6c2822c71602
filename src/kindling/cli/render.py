"""Tables as text: fitted to a terminal, in full in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

from kindling.export.records import Record
from kindling.export.tables import Column, Table

GAP = "  "


def terminal_width(stream: TextIO = sys.stdout) -> int | None:
    """Columns of the terminal behind the stream, None for a pipe or a file."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def colourful(stream: TextIO = sys.stdout) -> bool:
    """Whether to write colours: to a terminal whose user did not ask for none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def display_width(text: str) -> int:
    """Cells of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int, *, keep_end: bool = False) -> str:
    """At most `width` cells; an ellipsis stands for what is missing at the end, or in the middle."""
    if display_width(text) <= width:
        return text
    if keep_end:
        end = _prefix(text[::-1], (width - 1) // 2)[::-1]
        return f"{_prefix(text, width - 1 - display_width(end))}…{end}"
    return f"{_prefix(text, width - 1)}…"


def _prefix(text: str, width: int) -> str:
    used = 0
    for i, c in enumerate(text):
        used += display_width(c)
        if used > width:
            return text[:i]
    return text


def table_lines(table: Table, rows: Sequence[Record], *, width: int | None = None, colour: bool = False) -> list[str]:
    """Header and a line per row; without rows, the sentence that says so."""
    if not rows:
        return [table.empty]
    cells = [[column.show(row) for column in table.columns] for row in rows]
    widths = [
        max(display_width(column.title), *(display_width(line[i]) for line in cells))
        for i, column in enumerate(table.columns)
    ]
    shown = list(range(len(table.columns)))
    if width is not None:
        shown = fit(table.columns, widths, width)
    lines = [_line(table.columns, [c.title for c in table.columns], widths, shown)]
    if colour:
        lines[0] = f"\033[1m{lines[0]}\033[0m"
    for record, line in zip(rows, cells, strict=True):
        text = _line(table.columns, line, widths, shown)
        lines.append(f"\033[31m{text}\033[0m" if colour and _failed(record) else text)
    return lines


def _failed(record: Record) -> bool:
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

    while total(floors) > available:
        rank = max(columns[i].rank for i in shown)
        if rank == 0:
            break
        shown.remove(max(i for i in shown if columns[i].rank == rank))
    while total(widths) > available:
        # the one that is farthest above its least width gives first; below it only when all are there
        spare = max(shown, key=lambda i: (widths[i] - floors[i], widths[i] if columns[i].least else 0))
        if widths[spare] <= 1:
            break
        widths[spare] -= 1
    return shown


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int], shown: Sequence[int]) -> str:
    parts = []
    for i in shown:
        text = cut(cells[i], widths[i], keep_end=columns[i].keep_end)
        padding = " " * (widths[i] - display_width(text))
        parts.append(padding + text if columns[i].align == "right" else text + padding)
    return GAP.join(parts).rstrip()
