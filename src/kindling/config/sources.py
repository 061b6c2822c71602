"""Settings of file, environment and flags; the later ones override the earlier."""

from __future__ import annotations

import os
from collections.abc import Mapping as Variables
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kindling.config.convert import Converter
from kindling.config.env import read_env, unknown_env
from kindling.config.file import DEFAULT_FILE, read_file
from kindling.config.given import ConfigError, Given, Mapping, Scalar
from kindling.config.schema import Leaf, SettingPath, leaves
from kindling.config.settings import Settings

DEFAULT: str = "default"


@dataclass(frozen=True, slots=True)
class Flag:
    """What the command line said: `Flag("--listen", "127.0.0.1:9500")`."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings
    file: Path | None
    """The config file that was read."""
    origins: dict[SettingPath, str] = field(default_factory=dict)
    """Where each setting comes from that is not a default."""
    warnings: list[str] = field(default_factory=list)

    def origin(self, path: SettingPath) -> str:
        return self.origins.get(path, DEFAULT)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where settings come from. Kept, to read them again."""

    file: Path | None = None
    """None: DEFAULT_FILE, when it is there."""
    flags: Variables[SettingPath, Flag] = field(default_factory=dict)
    variables: Variables[str, str] = field(default_factory=lambda: dict(os.environ))
    default_file: Path = DEFAULT_FILE

    def load(self) -> Loaded:
        """Reads them all. Raises ConfigError with every problem, SettingError when a file cannot be read."""
        file = self.file
        if file is None and self.default_file.exists():
            file = self.default_file
        tree = read_file(file) if file else Mapping({}, "")
        for path, value in read_env(self.variables, by_env()).items():
            _put(tree, path, value)
        for path, flag in self.flags.items():
            _put(tree, path, Scalar(flag.text, flag.name))
        converter = Converter()
        settings = converter.build(Settings, tree)
        if converter.problems:
            raise ConfigError(converter.problems)
        assert isinstance(settings, Settings)  # noqa: S101 -- for the type checker
        origins = {leaf.path: origin for leaf in by_env().values() if (origin := _origin(tree, leaf.path))}
        return Loaded(settings, file, origins, unknown_env(self.variables, by_env()))


@cache
def by_env() -> dict[str, Leaf]:
    """All settings by the name of their variable."""
    return {leaf.env: leaf for leaf in leaves(Settings)}


def value_of(settings: object, path: SettingPath) -> object:
    for name in path:
        settings = getattr(settings, name)
    return settings


def _put(tree: Mapping, path: SettingPath, value: Given) -> None:
    *sections, name = path
    for section in sections:
        below = tree.items.get(section)
        if not isinstance(below, Mapping):
            if below is not None and not (isinstance(below, Scalar) and below.null):
                return  # the file says something else in its place, which is reported
            below = tree.items[section] = Mapping({}, value.origin)
            tree.keys[section] = value.origin
        tree = below
    tree.items[name] = value
    tree.keys[name] = value.origin


def _origin(tree: Mapping, path: SettingPath) -> str:
    *sections, name = path
    for section in sections:
        below = tree.items.get(section)
        if not isinstance(below, Mapping):
            return ""
        tree = below
    return tree.keys.get(name, "")
