"""What can be changed while the agent runs, and what differs between two settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kindling.config.schema import leaves
from kindling.config.settings import Settings
from kindling.config.sources import value_of

#: Settings, or sections, that SIGHUP changes.
LIVE: Final = (
    "alerts",
    "metrics",
    "names.networks",
    "names.static",
    "names.hosts",
    "kubernetes.include",
    "kubernetes.exclude",
)


def changed(before: Settings, after: Settings) -> list[str]:
    """Names of the settings that differ."""
    return [leaf.name for leaf in leaves(Settings) if value_of(before, leaf.path) != value_of(after, leaf.path)]


def is_live(name: str) -> bool:
    """Whether a setting can be changed while the agent runs."""
    return any(name == live or name.startswith(f"{live}.") for live in LIVE)


def needing_restart(names: Iterable[str]) -> list[str]:
    return [name for name in names if not is_live(name)]
