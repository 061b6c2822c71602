"""`kindling uninstall`"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from kindling.cli import options
from kindling.cli.options import F
from kindling.config import DEFAULT_DATA, Persistence
from kindling.errors import PrivilegeError

_DEFAULTS = Persistence()


def _folder(name: str, default: Path, text: str) -> Callable[[F], F]:
    kind = click.Path(path_type=Path, file_okay=False)
    return click.option(f"--{name}", type=kind, default=default, show_default=True, metavar="DIR", help=text)


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
@_folder("data-dir", DEFAULT_DATA, "Where the agent kept its data.")
@_folder("pins", _DEFAULTS.pins, "Where it kept maps and programs.")
@_folder("state", _DEFAULTS.state, "Where it kept its journal.")
@options.colour
def command(with_data: bool, data_dir: Path, pins: Path, state: Path) -> None:
    from kindling.agent.uninstall import uninstall

    if os.geteuid() != 0:
        raise PrivilegeError("Only root can remove what the agent left in the kernel.")
    done = uninstall(pins, state, data_dir if with_data else None)
    for line in done or ("nothing was there",):
        click.echo(f"kindling: {line}")
