"""`--watch`: the same question again and again."""

from __future__ import annotations

import select
import shutil
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import click

from kindling.cli.screen import draw, full_screen
from kindling.errors import BusyError, UnreachableError

#: Lines of a table, for a width (None: a pipe) and a height.
Lines = Callable[[], list[str]]


def check(output: str, seconds: float | None) -> None:
    """Documents have an end."""
    if seconds is not None and output not in {"table", "ndjson"}:
        raise click.UsageError(f"--watch goes with --output table or ndjson, not with {output}.")


def repeat(seconds: float, once: Callable[[], None]) -> NoReturn:
    """Until Ctrl-C, which `main` turns into an exit code. Looks that take longer than `seconds` follow at once."""
    due = time.monotonic()
    while True:
        once()
        if _nobody_reads():
            raise BrokenPipeError
        due = max(due + seconds, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def show_again(seconds: float, lines: Lines) -> NoReturn:
    """On a terminal in place, in a pipe one below the other. An agent that is gone may come back."""
    if not sys.stdout.isatty():
        repeat(seconds, lambda: click.echo("\n".join((*lines(), ""))))
    lines()  # an agent that never answered is an error, not a screen
    with full_screen():
        repeat(seconds, lambda: draw(_or_why_not(lines), *shutil.get_terminal_size()))


def _or_why_not(lines: Lines) -> list[str]:
    try:
        return lines()
    except (BusyError, UnreachableError) as error:
        return [error.message, "", "Still trying; Ctrl-C ends."]


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end is closed: who has nothing to write would never notice."""
    poll = select.poll()
    try:
        poll.register(sys.stdout, 0)
    except (OSError, ValueError):  # no file at all
        return False
    return any(events & select.POLLERR for _, events in poll.poll(0))
