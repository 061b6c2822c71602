"""What settings there are, read off the dataclasses: the one place that knows their fields, types and texts."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

#: A field whose value is shown to nobody: `field(default=(), metadata=SECRET)`.
SECRET: Final[Mapping[str, Any]] = {"secret": True}

ENV_PREFIX: Final = "KINDLING_"

SettingPath = tuple[str, ...]

_TYPE_TEXTS: Final[dict[Any, str]] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a settings class."""

    name: str
    type: Any
    """Resolved: a class, Literal[...] or tuple[item, ...]."""
    default: Any
    """MISSING for one that must be given."""
    secret: bool
    text: str
    """What stands under it in the source, on one line."""

    @property
    def required(self) -> bool:
        return self.default is MISSING


@dataclass(frozen=True, slots=True)
class Leaf:
    """A setting: where it is in the file, and its field."""

    path: SettingPath
    field: Field

    @property
    def name(self) -> str:
        """`alerts.webhook.url`"""
        return ".".join(self.path)

    @property
    def env(self) -> str:
        """`KINDLING_ALERTS_WEBHOOK_URL`"""
        return ENV_PREFIX + "_".join(self.path).upper()


@cache
def fields_of(cls: type) -> Mapping[str, Field]:
    """In the order of the source."""
    hints = get_type_hints(cls)
    texts = {name: text for base in reversed(cls.__mro__) if is_dataclass(base) for name, text in _texts(base).items()}
    found = {}
    for each in fields(cls):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        secret = bool(each.metadata.get("secret"))
        found[each.name] = Field(each.name, hints[each.name], default, secret, texts.get(each.name, ""))
    return found


def leaves(cls: type, path: SettingPath = ()) -> Iterator[Leaf]:
    """All settings; those of a class before those of its sections."""
    sections = []
    for field in fields_of(cls).values():
        if is_section(field.type):
            sections.append(field)
        else:
            yield Leaf((*path, field.name), field)
    for field in sections:
        yield from leaves(field.type, (*path, field.name))


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and is_dataclass(kind)


def item_type(kind: Any) -> Any:
    """Of `tuple[item, ...]`; None when it is none."""
    return get_args(kind)[0] if get_origin(kind) is tuple else None


def choices(kind: Any) -> tuple[str, ...]:
    """Of a Literal; empty when it is none."""
    return get_args(kind) if get_origin(kind) is Literal else ()


def is_duration(name: str, kind: Any) -> bool:
    """Whether "30s" may stand there."""
    return kind is float and (name.endswith("_seconds") or name in {"interval", "timeout", "query_timeout"})


def type_text(name: str, kind: Any) -> str:
    """For people."""
    if (item := item_type(kind)) is not None:
        return "list of " + ("mappings" if is_section(item) else f"{type_text('', item)}s")
    if choices(kind):
        return "choice"
    if is_duration(name, kind):
        return "duration"
    return _TYPE_TEXTS[kind]


def _texts(cls: type) -> dict[str, str]:
    """Attribute docstrings: the string under a field, which Python itself does not keep."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except OSError:
        return {}  # a package without its sources
    (tree,) = ast.parse(source).body
    body = getattr(tree, "body", [])
    found = {}
    for first, second in pairwise(body):
        if isinstance(first, ast.AnnAssign) and isinstance(first.target, ast.Name) and isinstance(second, ast.Expr):
            value = second.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[first.target.id] = " ".join(value.value.split())
    return found
