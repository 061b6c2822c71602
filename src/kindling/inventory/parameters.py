"""A query as it comes over HTTP and from the command line: pairs of key and text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

from kindling.errors import InputError
from kindling.export.filters import Filter
from kindling.inventory.query import DEFAULT_SORT, Query

#: Fields of a filter that may have several values.
_TEXTS: Final = tuple(each.name for each in fields(Filter) if each.default == () and each.name != "port")
#: Year 9999.
_LAST_MOMENT: Final = 253_402_300_800.0


def query_of(parameters: Iterable[tuple[str, str | int]]) -> Query:
    """Keys may be there several times; empty values count as none. Raises InputError."""
    values: dict[str, list[str]] = {}
    for key, value in parameters:
        if value != "":
            values.setdefault(key, []).append(str(value))

    def last(key: str) -> str:
        return values.get(key, [""])[-1]

    texts: dict[str, Any] = {name: tuple(values.get(name, ())) for name in _TEXTS}
    wanted = Filter(
        port=tuple(_whole("port", text) for text in values.get("port", ())),
        search=last("search"),
        since=_moment("since", last("since")),
        until=_moment("until", last("until")),
        **texts,
    )
    return Query(
        wanted,
        new_since=_moment("new_since", last("new_since")),
        group_by=last("group_by"),
        sort=last("sort") or DEFAULT_SORT,
        limit=_whole("limit", last("limit") or "0"),
    )


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"The {name} {text!r} is not a whole number.")
    return int(text)


def _moment(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not abs(moment) < _LAST_MOMENT:
        raise InputError(f"The time {name}={text!r} is not a number of unix seconds.")
    return moment
