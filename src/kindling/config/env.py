"""Environment variables that set something: KINDLING_SECTION_FIELD."""

from __future__ import annotations

from collections.abc import Mapping as Variables
from typing import Final

from kindling.config.convert import nearest
from kindling.config.file import parse_value
from kindling.config.given import Given, List, Scalar
from kindling.config.schema import ENV_PREFIX, Leaf, SettingPath, is_section, item_type

#: What the commands that ask an agent read; no settings of the agent.
OF_COMMANDS: Final = frozenset(
    f"KINDLING_{name}" for name in ("CONFIG", "URL", "TOKEN_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE")
)


def read_env(variables: Variables[str, str], leaves: Variables[str, Leaf]) -> dict[SettingPath, Given]:
    """`leaves` by the name of their variable. Raises ConfigError."""
    found = {}
    for name, leaf in leaves.items():
        if name in variables:
            found[leaf.path] = _value(leaf, variables[name], name)
    return found


def unknown_env(variables: Variables[str, str], leaves: Variables[str, Leaf]) -> list[str]:
    """Variables that look as if they should set something, each with what was probably meant.

    Others may begin with the same letters and are no error: Kubernetes makes KINDLING_SERVICE_HOST for a service.
    """
    said = []
    for name in sorted(variables):
        if name.startswith(ENV_PREFIX) and name not in leaves and name not in OF_COMMANDS:
            near = nearest(name.removeprefix(ENV_PREFIX), [leaf.removeprefix(ENV_PREFIX).lower() for leaf in leaves])
            if near:
                said.append(f"{name} sets nothing; did you mean {ENV_PREFIX}{near.upper()}?")
    return said


def _value(leaf: Leaf, text: str, name: str) -> Given:
    item = item_type(leaf.field.type)
    if item is None:
        return Scalar(text, name)
    if is_section(item) or text.lstrip().startswith("["):
        return parse_value(text, name)
    return List(tuple([Scalar(part.strip(), name) for part in text.split(",") if part.strip()]), name)
