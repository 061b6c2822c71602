"""Settings as YAML that can be read again, each with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from kindling.config.schema import fields_of, is_section
from kindling.config.sources import Loaded

HIDDEN: Final = "(hidden)"
_ORIGIN_COLUMN: Final = 56


def shown(loaded: Loaded) -> Iterator[str]:
    """Lines. Secrets are named, never shown."""
    yield from _section(loaded, loaded.settings, (), 0)


def _section(loaded: Loaded, section: Any, path: tuple[str, ...], indent: int) -> Iterator[str]:
    cls: type = type(section)
    known = fields_of(cls)
    for field in sorted(known.values(), key=lambda each: is_section(each.type)):
        value, below = getattr(section, field.name), (*path, field.name)
        if is_section(field.type):
            yield f"{' ' * indent}{field.name}:"
            yield from _section(loaded, value, below, indent + 2)
            continue
        hidden = field.secret and value not in {"", (), Path()}
        text = f"{' ' * indent}{field.name}: {HIDDEN if hidden else flow(value)}"
        yield f"{text.ljust(_ORIGIN_COLUMN)}  # {loaded.origin(below)}"


def flow(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Path):
        value = "" if value == Path() else str(value)
    if isinstance(value, str):
        return _plain(value)
    if is_dataclass(value):
        pairs = ((each, getattr(value, each.name)) for each in fields(value))
        return "{" + ", ".join(f"{each.name}: {flow(item)}" for each, item in pairs if item != each.default) + "}"
    return "[" + ", ".join(flow(item) for item in value) + "]"


def _plain(text: str) -> str:
    """Without quotes where nothing could be misread; JSON strings are YAML strings, too."""
    bare = text.replace("/", "").replace(".", "").replace("-", "").replace("_", "")
    safe = bare.isascii() and bare.isalnum() and not bare[0].isdigit() and text[0] != "-" and text.lower() != "null"
    return text if safe else json.dumps(text)
