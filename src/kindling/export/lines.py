"""Lines of the text format, put together by family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from kindling.export.families import Family
from kindling.export.text import number

#: Pieces of text: whole lines or parts of lines, to be joined.
Lines = list[str]

Row = TypeVar("Row")


def group(groups: dict[str, list[Row]], text: str, row: Row) -> None:
    """Rows by their label text: a series must appear only once."""
    known = groups.get(text)
    if known is None:
        groups[text] = [row]
    else:
        known.append(row)


def family_lines(family: Family, series: Iterable[tuple[str, float]]) -> Lines:
    """A family without series is left out: its header alone says nothing."""
    name = family.name
    lines = [f"{name}{{{text}}} {number(value)}\n" if text else f"{name} {number(value)}\n" for text, value in series]
    return [family.header, *lines] if lines else []


def prefixed(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    return {prefix + name: value for name, value in values.items()}
