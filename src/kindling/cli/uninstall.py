"""`kindling uninstall`"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kindling.cli import options
from kindling.cli.options import F
from kindling.config.file import DEFAULT_FILE
from kindling.errors import PrivilegeError

if TYPE_CHECKING:
    from kindling.config import Settings

_PATHS: Final = {"data_dir": ("data",), "pins": ("persistence", "pins"), "state": ("persistence", "state")}


def _folder(name: str, text: str) -> Callable[[F], F]:
    return click.option(f"--{name}", metavar="DIR", help=text)


@click.command(
    "uninstall",
    help="""\
Remove every trace of Kindling from the kernel: programs, maps, and the journal of their totals.

\b
  kindling uninstall               after an agent was killed, or stopped with --keep-counting
  kindling uninstall --data        the list of external destinations, too

It refuses while an agent runs, and does nothing where there is nothing. The package itself is removed as it was
installed.
""",
)
@click.option("--data", "with_data", is_flag=True, help="Remove the data directory as well.")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="KINDLING_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help=f"The agent's settings; {DEFAULT_FILE} if it exists.",
)
@_folder("data-dir", "Where the agent kept its data, if its settings do not say so.")
@_folder("pins", "Where it kept maps and programs, likewise.")
@_folder("state", "Where it kept its journal, likewise.")
@options.colour
def command(with_data: bool, file: Path | None, **folders: str | None) -> None:
    from kindling.agent.uninstall import uninstall

    if os.geteuid() != 0:
        raise PrivilegeError("Only root can remove what the agent left in the kernel.")
    settings = _settings(file, folders)
    done = uninstall(settings.persistence.pins, settings.persistence.state, settings.data if with_data else None)
    for line in done or ("nothing was there",):
        click.echo(f"kindling: {line}")


def _settings(file: Path | None, folders: dict[str, str | None]) -> Settings:
    """Those that the agent had here: of the file, of the environment, as told."""
    from kindling.config.sources import Flag, Sources

    flags = {_PATHS[name]: Flag(f"--{name.replace('_', '-')}", text) for name, text in folders.items() if text}
    return Sources(file, flags).load().settings
