"""`kindling top`"""

from __future__ import annotations

import os
import shutil
import sys

import click

from kindling.cli import options
from kindling.cli.client import Agent
from kindling.cli.options import Filters
from kindling.cli.render import colourful
from kindling.cli.top.look import Looker
from kindling.cli.top.state import State
from kindling.cli.top.tabs import BY_NAME


@click.command(
    "top",
    help="""\
Live view of what happens now. q leaves it, ? shows its keys.

\b
  kindling top
  kindling top --table requests --workload nginx
  kindling top --interval 5
  kindling top --once --table flows       one screen, then the end (for scripts)

\b
  1-5, Tab     the tables: external, flows, requests, dns, events
  Left, Right  sort by the column beside; r turns the order round
  /            filter: "example.org", "workload=curl port=443"
  Space        pause
  Up, Down     scroll

The fastest come first. Rates are those since the look before. What is asked of the agent itself on
loopback is left out here; the other commands show it. In a pipe it shows one screen and ends.
""",
)
@click.option(
    "--table",
    "table",
    type=click.Choice(list(BY_NAME)),
    default="external",
    show_default=True,
    help="Which table to begin with.",
)
@options.filters
@click.option(
    "--interval",
    type=click.FloatRange(min=options.LEAST_WATCH_SECONDS),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Show one screen and end.")
@options.colour
@options.agent
def command(agent: Agent, table: str, filters: Filters, interval: float, once: bool) -> None:
    state = State(tab=BY_NAME[table], filter=filter_text(filters))
    looker = Looker(agent)
    size = shutil.get_terminal_size((120, 40))
    look = looker.look(state.question(size.lines))  # without an agent it is an error, not a screen
    if once or not _can_draw():
        from kindling.cli.top.plain import plain_lines

        click.echo("\n".join(plain_lines(state, look, size.columns, size.lines)), color=colourful())
        return
    from kindling.cli.top.driver import drive

    drive(looker, look, state, interval, colour=colourful())


def _can_draw() -> bool:
    terminal = os.environ.get("TERM", "dumb") != "dumb"
    return terminal and sys.stdout.isatty() and sys.stdin.isatty()


def filter_text(filters: Filters) -> str:
    """Options as they would be written after `/`."""
    return " ".join(f"{key}={value}" for key, value in filters.parameters())
