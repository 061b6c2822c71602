"""`kindling top`"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Final

import click

from kindling.cli import options
from kindling.cli.client import Agent, agent_port, fetch
from kindling.cli.render import colourful, table_lines
from kindling.cli.widths import cut
from kindling.errors import UnreachableError
from kindling.export import format as fmt
from kindling.export.coverage import coverage_lines
from kindling.export.records import Record
from kindling.export.tables import EXTERNAL, FLOWS, REQUESTS, Column, Table


@dataclass(frozen=True, slots=True)
class Section:
    """A table, by what it is sorted, its share of the screen's lines, and of what it shows the rate."""

    table: Table
    sort: str
    share: float
    title: str
    measure: Callable[[Record], float]
    show: Callable[[float], str]


def _bytes(record: Record) -> float:
    return float(record["bytes_in"] + record["bytes_out"])


def _per_second(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}" if rate else "-"


def _size(rate: float) -> str:
    return fmt.size(rate) if rate else "-"


_SECTIONS: Final = (
    Section(EXTERNAL, "last_seen", 0.3, "BYTES/S", _bytes, _size),
    Section(FLOWS, "last_seen", 0.35, "BYTES/S", _bytes, _size),
    Section(REQUESTS, "last_seen", 0.35, "REQ/S", lambda record: float(record["count"]), _per_second),
)
#: What tells one row from another.
_IDENTITY: Final = (
    "workload",
    "workload_kind",
    "container",
    "role",
    "transport",
    "protocol",
    "local_ip",
    "remote_ip",
    "port",
    "name",
    "evidence",
    "inferred",
    "operation",
    "status",
    "destination",
)
_LEAST_ROWS: Final = 3
_REMEMBERED: Final = 2_000
_OWN_ROWS: Final = 16
_LOOPBACK: Final = ("127.0.0.1", "::1")

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

What moved last comes first. Rates are those since the look before. What is asked of the agent itself
on loopback is left out here; the other commands show it.
""",
)
@options.agent
@options.colour
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Show one screen and end.")
def command(agent: Agent, interval: float, once: bool) -> None:
    screen = Screen(agent)
    if once or not sys.stdout.isatty():
        click.echo("\n".join(screen.lines(*_terminal())))
        return
    with _full_screen():
        while True:
            _draw(screen, agent.url)
            time.sleep(interval)


def _draw(screen: Screen, url: str) -> None:
    width, height = _terminal()
    try:
        lines = screen.lines(width, height)
    except UnreachableError as error:
        lines = [f"No agent answers at {url} any more.", "", error.message, "Still trying; Ctrl-C ends."]
    body = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines[: height - 1])
    sys.stdout.write(_HOME + body + _CLEAR_BELOW)
    sys.stdout.flush()


def _terminal() -> tuple[int, int]:
    size = shutil.get_terminal_size((120, 40))
    return size.columns, size.lines


class Screen:
    """Remembers the last look, to tell rates."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._url = agent.url
        self._port = agent_port(agent.url)
        self._before: dict[str, dict[tuple[Any, ...], float]] = {}
        self._time = 0.0

    def lines(self, width: int, height: int) -> list[str]:
        """Ask the agent, and put one screen together."""
        status = fetch(self._agent, "/api/v1/status")
        now = status["coverage"]["time"]
        lines = [cut(_headline(status, self._url), width), ""]
        room = height - len(lines) - 3 * len(_SECTIONS) - 2
        for section in _SECTIONS:
            lines += self._section(section, max(_LEAST_ROWS, int(room * section.share)), width, now - self._time)
        self._time = now
        lines += [cut(line, width) for line in coverage_lines(status["coverage"])]
        return lines

    def _section(self, section: Section, limit: int, width: int, seconds: float) -> list[str]:
        table = section.table
        answer = fetch(self._agent, f"/api/v1/{table.name}", (("limit", limit + _OWN_ROWS), ("sort", section.sort)))
        rows = [row for row in answer["rows"] if not self._is_own(row)][:limit]
        before = self._before.get(table.name)
        after = {_identity(row): section.measure(row) for row in rows}
        for row in rows:
            key = _identity(row)
            grown = after[key] - before.get(key, after[key]) if before is not None else 0.0
            row["rate"] = max(0.0, grown) / seconds if seconds > 0 else 0.0
        self._before[table.name] = (before or {}) | after if len(before or ()) < _REMEMBERED else after
        rate = Column("rate", section.title, lambda row: section.show(row["rate"]), "right")
        shown = replace(table, columns=(*(c for c in table.columns if c.key != "last_seen"), rate))
        colour = colourful()
        title = f"{table.title} ({answer['total']})"
        if colour:
            title = f"\033[1;36m{title}\033[0m"
        return [title, *table_lines(shown, rows, width=width, colour=colour), ""]

    def _is_own(self, row: Record) -> bool:
        """Whether a row is of this view's own questions to the agent: they would always be the latest."""
        return row["port"] == self._port and row.get("local_ip") in _LOOPBACK


def _identity(row: Record) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in _IDENTITY)


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
