"""`kindling top`"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import click

from kindling.cli import options
from kindling.cli.client import fetch
from kindling.cli.render import colourful, cut, table_lines
from kindling.errors import UnreachableError
from kindling.export import format as fmt
from kindling.export.coverage import coverage_lines
from kindling.export.tables import EXTERNAL, FLOWS, REQUESTS, Table

#: Table, by what it is sorted, share of the screen's lines.
_SECTIONS: Final = ((EXTERNAL, "last_seen", 0.3), (FLOWS, "last_seen", 0.35), (REQUESTS, "count", 0.35))
_LEAST_ROWS: Final = 3

_ENTER: Final = "\033[?1049h\033[?25l"
_LEAVE: Final = "\033[?25h\033[?1049l"
_HOME: Final = "\033[H"
_CLEAR_LINE: Final = "\033[K"
_CLEAR_BELOW: Final = "\033[J"


@click.command(
    "top",
    help="""\
Live view of what happens now; Ctrl-C leaves it.

\b
  kindling top
  kindling top --interval 5
  kindling top --once             one screen, then the end (for scripts)

External destinations and connections: the latest first. Requests: the most frequent first.
""",
)
@options.url
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Show one screen and end.")
def command(url: str, interval: float, once: bool) -> None:
    if once or not sys.stdout.isatty():
        click.echo("\n".join(screen(url, *_size())))
        return
    with _full_screen():
        while True:
            _draw(url)
            time.sleep(interval)


def _draw(url: str) -> None:
    width, height = _size()
    try:
        lines = screen(url, width, height)
    except UnreachableError as error:
        lines = [str(error), "", "Still trying."]
    body = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines[: height - 1])
    sys.stdout.write(_HOME + body + _CLEAR_BELOW)
    sys.stdout.flush()


def _size() -> tuple[int, int]:
    size = shutil.get_terminal_size((120, 40))
    return size.columns, size.lines


def screen(url: str, width: int, height: int) -> list[str]:
    """Lines of one screen."""
    status = fetch(url, "/api/v1/status")
    lines = [cut(_headline(status, url), width), ""]
    room = height - len(lines) - 3 * len(_SECTIONS) - 2
    for table, sort, share in _SECTIONS:
        limit = max(_LEAST_ROWS, int(room * share))
        lines += _section(url, table, sort, limit, width)
    lines += [cut(line, width) for line in coverage_lines(status["coverage"])]
    return lines


def _section(url: str, table: Table, sort: str, limit: int, width: int) -> list[str]:
    answer = fetch(url, f"/api/v1/{table.name}", {"limit": limit, "sort": sort})
    title = f"{table.title} ({answer['total']})"
    colour = colourful()
    if colour:
        title = f"\033[1;36m{title}\033[0m"
    return [title, *table_lines(table, answer["rows"], width=width, colour=colour), ""]


def _headline(status: dict[str, Any], url: str) -> str:
    cpu = status["cpu_user_seconds"] + status["cpu_system_seconds"]
    return (
        f"Kindling {status['version']} on {status['node']}  {fmt.clock(status['coverage']['time'])}  {url}  "
        f"agent: {fmt.size(status['resident_bytes'])}, {cpu:.1f} s CPU"
    )


@contextmanager
def _full_screen() -> Iterator[None]:
    """The terminal's other screen, given back whatever ends the view."""

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    sys.stdout.write(_ENTER)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
