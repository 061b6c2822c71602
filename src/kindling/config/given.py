"""Values as they were given, before anybody knows of what type they should be; each with its origin."""

from __future__ import annotations

from dataclasses import dataclass, field

from kindling.errors import SettingError


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text as it was written."""

    text: str
    origin: str
    """`FILE:LINE`, the name of a variable, or of a flag."""
    quoted: bool = False
    """Then it is text, even where it looks like a number."""
    null: bool = False
    """Nothing was written, or `null`."""


@dataclass(frozen=True, slots=True)
class List:
    items: tuple[Given, ...]
    origin: str


@dataclass(slots=True)
class Mapping:
    items: dict[str, Given]
    origin: str
    keys: dict[str, str] = field(default_factory=dict)
    """Origin of each key."""


Given = Scalar | List | Mapping


@dataclass(frozen=True, slots=True)
class Problem:
    origin: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.origin}: {self.text}" if self.origin else self.text


class ConfigError(SettingError):
    """Settings that cannot be used. `problems` has them all, the message too, a line each."""

    def __init__(self, problems: list[Problem]) -> None:
        hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
        super().__init__("\n".join(map(str, problems)), hint=" ".join(hints) if len(hints) <= 2 else "")
        self.problems = problems
