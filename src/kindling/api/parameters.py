"""Query parameters: one description serves for reading them and for the OpenAPI document."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import parse_qsl

from kindling.api.problems import Problem
from kindling.export.filters import EVIDENCES, LONGEST_VALUE, MOST_VALUES, ROLES, TRANSPORTS, Filter
from kindling.model import FAILURE_NAMES

#: More parameters than that ask nothing sensible.
MOST_PARAMETERS: Final = 256
LARGEST_LIMIT: Final = 999_999_999
#: Year 9999.
LAST_MOMENT: Final = 253_402_300_799

Schema = Mapping[str, Any]
_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Parameter:
    """`read` raises ValueError with what is expected instead."""

    name: str
    text: str
    schema: Schema
    read: Callable[[str], Any]
    many: bool = False
    """May be repeated: any of its values will do."""
    default: Any = None


def whole(name: str, text: str, *, largest: int, default: int | None = None) -> Parameter:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS and int(value) <= largest):
            raise ValueError(f"a whole number from 0 to {largest}")
        return int(value)

    schema: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": largest}
    if default is not None:
        schema["default"] = default
    return Parameter(name, text, schema, read, default=default)


def moment(name: str, text: str) -> Parameter:
    def read(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not (0 <= found <= LAST_MOMENT and value.isascii() and value == value.strip() and "_" not in value):
            raise ValueError("unix seconds, for example 1700000000.5")
        return found

    return Parameter(name, text, {"type": "number", "minimum": 0, "maximum": LAST_MOMENT}, read)


def one_of(
    name: str, text: str, choices: Sequence[str], *, many: bool = False, default: str | None = None
) -> Parameter:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choice for choice in choices if choice)}")
        return value

    return Parameter(name, text, {"type": "string", "enum": list(choices)}, read, many, default)


def words(name: str, text: str, *, many: bool = False, longest: int = LONGEST_VALUE) -> Parameter:
    def read(value: str) -> str:
        if len(value) > longest:
            raise ValueError(f"at most {longest} characters")
        return value

    return Parameter(name, text, {"type": "string", "maxLength": longest}, read, many, None if many else "")


_STARS: Final = "Letter case does not matter, `*` stands for any text."

#: By the fields of a Filter.
FILTERS: Final = {
    each.name: each
    for each in (
        words("workload", f"Name of the workload, its pod or its container. {_STARS}", many=True),
        words("namespace", f"Namespace of the workload. {_STARS}", many=True),
        words("peer_workload", f"Workload, pod, service or node at the other end. {_STARS}", many=True),
        words("peer_namespace", f"Namespace of the other end. {_STARS}", many=True),
        Parameter(
            "port",
            "Port of the service.",
            {"type": "integer", "minimum": 0, "maximum": 65_535},
            whole("port", "", largest=65_535).read,
            many=True,
        ),
        words("protocol", "Protocol (`http`, `dns`, `tls`, `ntp`, `unknown`) or transport (`tcp`, `udp`).", many=True),
        one_of("transport", "Transport.", TRANSPORTS, many=True),
        one_of("role", "Which end the workload is.", ROLES, many=True),
        words("destination", f"Name or address of the other end, or a network like 192.0.2.0/24. {_STARS}", many=True),
        words(
            "scope",
            "Where the other end is: `public`, `private`, `link-local`, `loopback`, `own`, or a network's label.",
            many=True,
        ),
        one_of("evidence", "How the name of the other end is known.", EVIDENCES, many=True),
        words("status", f"Status of requests, as number or word. {_STARS}", many=True),
        one_of("reason", "Why an event was kept.", ("slow", "error", *FAILURE_NAMES), many=True),
        words(
            "search", "Part of a workload, pod, service, namespace, name, address, operation or status; of either end."
        ),
        moment("since", "Seen at or after this time, in unix seconds."),
        moment("until", "Seen at or before this time, in unix seconds."),
    )
}

CURSOR: Final = words("cursor", "`next` of the page before.", longest=4_000)


def filters(names: Iterable[str]) -> list[Parameter]:
    return [FILTERS[name] for name in names]


def sorting(sortable: Sequence[str], default: str) -> Parameter:
    """Who sorts says which keys there are."""
    choices = ["", *sortable, *(f"-{key}" for key in sortable)]
    text = f"Numbers from high to low, text from A to Z; a minus turns it round. `{default}` unless given."
    return Parameter("sort", text, {"type": "string", "enum": choices}, str, default="")


def read_query(query: bytes, known: Iterable[Parameter]) -> dict[str, Any]:
    """Values by name: all that were given, else the default. Raises Problem."""
    parameters = {parameter.name: parameter for parameter in known}
    found: dict[str, list[Any]] = {}
    for name, text in _pairs(query):
        parameter = parameters.get(name)
        if parameter is None:
            raise _unknown(name, parameters)
        values = found.setdefault(name, [])
        if values and not parameter.many:
            raise Problem(400, f"{name} was given more than once.", kind="bad-parameter")
        if len(values) >= MOST_VALUES:
            raise Problem(400, f"{name} was given more than {MOST_VALUES} times.", kind="bad-parameter")
        values.append(_value(parameter, text))
    return {
        name: (tuple(found.get(name, ())) if parameter.many else found[name][0] if name in found else parameter.default)
        for name, parameter in parameters.items()
    }


def filter_of(values: Mapping[str, Any]) -> Filter:
    """What values of these parameters ask for; empty texts ask nothing. Raises InputError."""
    chosen = {name: value for name, value in values.items() if name in FILTERS}
    for name, value in chosen.items():
        if isinstance(value, tuple):
            chosen[name] = tuple(each for each in value if each != "")
    return Filter(**chosen)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        text = query.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Problem(400, "The query cannot be read.", hint="Escape what is not ASCII as UTF-8 (%C3%A9).") from None


def _value(parameter: Parameter, text: str) -> Any:
    try:
        return parameter.read(text)
    except ValueError as error:
        raise Problem(
            400, f"{parameter.name} cannot be {text[:100]!r}.", hint=f"Expected: {error}.", kind="bad-parameter"
        ) from None


def _unknown(name: str, known: Iterable[str]) -> Problem:
    close = get_close_matches(name[:100], list(known), 1)
    hint = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(known) or 'none'}."
    return Problem(400, f"There is no parameter {name[:100]!r} here.", hint=hint, kind="unknown-parameter")
