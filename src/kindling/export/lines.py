"""Lines of the text formats, put together by family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kindling.export.family import Family
from kindling.export.text import number

Lines = list[str]


def family_lines(family: Family, series: Iterable[tuple[str, float]], *, openmetrics: bool = False) -> Lines:
    """A family without series is left out: its heading alone says nothing."""
    name = family.name
    lines = [f"{name}{{{text}}} {number(value)}\n" if text else f"{name} {number(value)}\n" for text, value in series]
    return [family.heading(openmetrics=openmetrics), *lines] if lines else []


def prefixed(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    return {prefix + name: value for name, value in values.items()}
