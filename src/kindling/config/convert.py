"""Given values to settings: types, ranges, names that nobody knows. Every problem is found, not only the first."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from kindling.config.given import Given, List, Mapping, Problem, Scalar
from kindling.config.schema import Field, choices, fields_of, is_duration, is_section, item_type, type_text
from kindling.errors import SettingError

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?([a-z]*)")
_WHOLE: Final = re.compile(r"[+-]?[0-9]+(?:_[0-9]+)*")
_BOOLEANS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SHOWN: Final = 60
_DIGITS: Final = 18


class _WrongError(Exception):
    """A value that does not fit its field; says what is expected."""


class Converter:
    """Collects problems while it goes on."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def build(self, cls: type, given: Mapping, path: str = "") -> Any:
        """An instance of a settings class; None when there were problems."""
        before = len(self.problems)
        known = fields_of(cls)
        values: dict[str, Any] = {}
        for key, value in given.items.items():
            field = known.get(key)
            if field is None:
                self._unknown(key, path, given.keys.get(key, value.origin), known)
                continue
            values[key] = self.value(field, field.type, value, f"{path}{key}")
        missing = [field.name for field in known.values() if field.required and field.name not in values]
        if missing:
            self.problems.append(Problem(given.origin, f"{_of(path)} needs {' and '.join(missing)}."))
        sound = {key: value for key, value in values.items() if value is not None}
        if missing or any(field.required and field.name not in sound for field in known.values()):
            return None
        try:
            made = cls(**sound)
        except SettingError as error:
            origin = _at_fault(cls, sound, given, error)
            self.problems.append(Problem(origin, error.message, error.hint))
            return None
        return made if len(self.problems) == before else None

    def value(self, field: Field, kind: Any, given: Given, name: str) -> Any:
        """Of any type; None when there were problems."""
        if is_section(kind):
            if isinstance(given, Scalar) and given.null:
                given = Mapping({}, given.origin)
            if not isinstance(given, Mapping):
                return self._wrong(given, name, "settings below it, indented, are expected")
            return self.build(kind, given, f"{name}.")
        item = item_type(kind)
        if item is not None:
            if not isinstance(given, List):
                return self._wrong(given, name, "a list is expected: [a, b], or a line with `- ` for each")
            found = tuple([self.value(field, item, each, f"{name}[{n}]") for n, each in enumerate(given.items, 1)])
            return None if None in found else found
        if not isinstance(given, Scalar):
            return self._wrong(given, name, f"{_one(field.name, kind)} is expected")
        try:
            return _scalar(field.name, kind, given)
        except _WrongError as error:
            shown = "" if field.secret or given.null else f", not {given.text[:_SHOWN]!r}"
            return self._wrong(given, name, f"{error} is expected{shown}")

    def _wrong(self, given: Given, name: str, text: str) -> None:
        self.problems.append(Problem(given.origin, f"{name}: {text}."))

    def _unknown(self, key: str, path: str, origin: str, known: Iterable[str]) -> None:
        near = nearest(key, known)
        meant = f" Did you mean {path}{near}?" if near else f" {_of(path)} has: {', '.join(known)}."
        self.problems.append(Problem(origin, f"{path}{key[:_SHOWN]} is no setting.{meant}"))


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that was probably meant, or ""."""
    found = difflib.get_close_matches(name.replace("-", "_").lower(), list(known), n=1, cutoff=0.7)
    return found[0] if found else ""


def _scalar(name: str, kind: Any, given: Scalar) -> Any:
    text = given.text
    if given.null and (kind is not str or choices(kind)):
        raise _WrongError(_one(name, kind))
    if kind is str or kind is Path:
        if given.null and text:
            raise _WrongError(_one(name, kind))
        return _text(text) if kind is str else Path(_text(text))
    if options := choices(kind):
        if text not in options:
            near = nearest(text, options)
            raise _WrongError(f"one of {', '.join(filter(None, options))}" + (f" (perhaps {near})" if near else ""))
        return text
    if given.quoted:
        raise _WrongError(f"{_one(name, kind)} without quotes")
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise _WrongError(_one(name, kind))
        return _BOOLEANS[text.lower()]
    if kind is int:
        if not _WHOLE.fullmatch(text) or len(text) > _DIGITS:
            raise _WrongError(_one(name, kind))
        return int(text)
    return _number(name, text)


def _text(text: str) -> str:
    if "\0" in text:
        raise _WrongError("text without NUL")
    return text


def _number(name: str, text: str) -> float:
    if is_duration(name, float) and (match := _DURATION.fullmatch(text)) and match[2] in _UNITS:
        return float(match[1]) * _UNITS[match[2]]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _WrongError(_one(name, float))
    return value


def _one(name: str, kind: Any) -> str:
    if is_duration(name, kind):
        return "a time such as 30s, 5m, 2h, 7d or a number of seconds"
    return {bool: "true or false", str: "text"}.get(kind, f"a {type_text(name, kind)}")


def _of(path: str) -> str:
    return path.removesuffix(".") or "The file"


def _at_fault(cls: type, values: dict[str, Any], given: Mapping, error: SettingError) -> str:
    """Where the value stands that alone makes the same error; else where the section begins."""
    required = {field.name: values[field.name] for field in fields_of(cls).values() if field.required}
    for name, value in values.items():
        try:
            cls(**required | {name: value})
        except SettingError as alone:
            if alone.message == error.message:
                return given.keys.get(name, given.items[name].origin)
    return given.origin
