"""One screen as text: for pipes, scripts and terminals that can do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from kindling.cli.top.look import Look
from kindling.cli.top.state import State
from kindling.cli.top.view import compose


def plain_lines(state: State, look: Look, width: int, height: int) -> Iterator[str]:
    """Without the line of keys, and no longer than it has something to say."""
    *lines, _ = compose(state, look, width, height)
    *body, covered = (line.text for line in lines)
    while body and not body[-1]:
        body.pop()
    yield from (*body, "", covered)
