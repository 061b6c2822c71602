"""What users can see or type is written down."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from factories import CURL, flow, op
from kindling.cli.main import COMMANDS, INTERRUPTED, cli
from kindling.export import records
from kindling.export.families import FAMILIES
from kindling.export.family import Family
from kindling.model.codes import LOST_REASONS

DOCS = Path(__file__).parents[2] / "docs"
METRICS = (DOCS / "metrics.md").read_text(encoding="utf-8")
API = (DOCS / "api.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (DOCS / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_is_documented_with_its_type(family: Family) -> None:
    assert f"| `{family.name}` | {family.type} |" in METRICS


@pytest.mark.parametrize("label", sorted({label for family in FAMILIES for label in family.labels}))
def test_every_label_is_documented(label: str) -> None:
    bare = label.removeprefix("src_").removeprefix("dst_")
    assert f"`{label}`" in METRICS or f"`{bare}`" in METRICS


def test_no_family_is_documented_that_does_not_exist() -> None:
    documented = set(re.findall(r"^\| `((?:kindling|process)_\w+)`", METRICS, re.MULTILINE))
    assert documented == {family.name for family in FAMILIES}


@pytest.mark.parametrize("cause", LOST_REASONS)
def test_every_cause_of_loss_is_documented(cause: str) -> None:
    assert f"| `{cause}` | {LOST_REASONS[cause]} |" in METRICS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"| `kindling {name}` |" in COMMANDS_PAGE


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    written = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = {option for option in written if option.startswith("-")}
    assert not {
        option
        for option in options
        if f"{option}`" not in COMMANDS_PAGE
        and f"{option} " not in COMMANDS_PAGE
        and f"[{option}]" not in COMMANDS_PAGE
    }


def test_no_option_is_documented_that_does_not_exist() -> None:
    contexts = [cli.get_command(click.Context(cli), name) for name in COMMANDS]
    known = {option for command in contexts if command for parameter in command.params for option in parameter.opts}
    documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", COMMANDS_PAGE))
    assert documented - known == {"--help", "--version"}


@pytest.mark.parametrize("code", [*range(7), INTERRUPTED])
def test_every_exit_code_is_documented(code: int) -> None:
    assert f"| {code} | " in COMMANDS_PAGE


def test_every_field_of_a_record_is_documented() -> None:
    fields = {*records.flow(flow()), *records.dns(op((1,), operation="A x"), None), *records.workload(CURL)}
    for field in fields:
        assert f"`{field}`" in API, field
