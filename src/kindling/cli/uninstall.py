"""`kindling uninstall`"""

from __future__ import annotations

import os
from pathlib import Path

import click

from kindling.cli import options
from kindling.config import DEFAULT_DATA, Persistence
from kindling.errors import PrivilegeError

_DEFAULTS = Persistence()


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
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    metavar="DIR",
    help="Where the agent kept its data.",
)
@click.option(
    "--pins",
    type=click.Path(path_type=Path, file_okay=False),
    default=_DEFAULTS.pins,
    show_default=True,
    metavar="DIR",
    help="Where it kept maps and programs.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=_DEFAULTS.state,
    show_default=True,
    metavar="DIR",
    help="Where it kept its journal.",
)
@options.colour
def command(with_data: bool, data_dir: Path, pins: Path, state: Path) -> None:
    from kindling.agent.uninstall import uninstall

    if os.geteuid() != 0:
        raise PrivilegeError("Only root can remove what the agent left in the kernel.")
    done = uninstall(pins, state, data_dir if with_data else None)
    for line in done or ("nothing was there",):
        click.echo(f"kindling: {line}")
