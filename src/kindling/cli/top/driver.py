"""The live view on a terminal: curses draws, and only what has changed goes over the line."""

from __future__ import annotations

import contextlib
import curses
import locale
import os
import selectors
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kindling.cli.screen import ended_by_signal
from kindling.cli.top.feed import Feed
from kindling.cli.top.keys import decode
from kindling.cli.top.look import Look, Looker
from kindling.cli.top.state import State
from kindling.cli.top.view import Line, Style, compose, rows_of
from kindling.errors import KindlingError

#: Tried when the system does not know the terminal (ssh from one that is newer than its terminfo).
_TERMINALS: Final = ("xterm-256color", "xterm", "vt100")
#: An escape key is told from a sequence by what follows within this time.
_ESCAPE_MS: Final = 50


def drive(looker: Looker, first: Look, state: State, interval: float, *, colour: bool) -> None:
    """From the look `first` on until `q`; Ctrl-C is a KeyboardInterrupt. Whatever ends it, the terminal is put back."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)

    def wake() -> None:
        with contextlib.suppress(BlockingIOError):  # full: it wakes up anyway
            os.write(writer, b"\0")

    feed = Feed(looker, first, interval, wake)
    with ended_by_signal(), _curses() as window, _resizes(writer):
        styles = _styles(colour=colour)
        feed.start()
        try:
            _loop(window, state, feed, styles, reader)
        finally:
            feed.end()


def _loop(window: curses.window, state: State, feed: Feed, styles: dict[Style, int], reader: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        selector.register(reader, selectors.EVENT_READ)
        while not state.ended:
            height, width = window.getmaxyx()
            feed.ask(state.question(rows_of(height)), paused=state.paused)
            _draw(window, compose(state, feed.last, width, height), styles)
            selector.select()
            with contextlib.suppress(BlockingIOError):
                while os.read(reader, 512):
                    pass
            _follow_size(window)
            for key in decode(_read(window)):
                state.press(key, rows_of(height))


def _draw(window: curses.window, lines: list[Line], styles: dict[Style, int]) -> None:
    window.erase()
    for y, line in enumerate(lines):
        with contextlib.suppress(curses.error):  # curses complains about the last cell, after it was drawn
            window.addstr(y, 0, _encodable(line.text), styles[line.style])
    window.refresh()


def _encodable(text: str) -> str:
    """A terminal that is not UTF-8 gets question marks for what it cannot show."""
    encoding = locale.getpreferredencoding(False)
    return text.encode(encoding, "replace").decode(encoding)


def _read(window: curses.window) -> list[str | int]:
    """All that was pressed."""
    found: list[str | int] = []
    with contextlib.suppress(curses.error):  # nothing more
        while True:
            found.append(window.get_wch())
    return found


def _follow_size(window: curses.window) -> None:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:  # the terminal is gone: SIGHUP follows
        return
    if (size.lines, size.columns) != window.getmaxyx() and size.lines > 0 and size.columns > 0:
        curses.resizeterm(size.lines, size.columns)
        window.clear()


@contextmanager
def _curses() -> Iterator[curses.window]:
    with contextlib.suppress(locale.Error):  # a locale that is not installed: as C
        locale.setlocale(locale.LC_ALL, "")
    _know_terminal()
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        window.keypad(True)
        window.nodelay(True)
        curses.set_escdelay(_ESCAPE_MS)
        with contextlib.suppress(curses.error):  # a terminal that cannot hide its cursor
            curses.curs_set(0)
        yield window
    finally:
        with contextlib.suppress(curses.error):
            curses.curs_set(1)
        curses.endwin()


def _know_terminal() -> None:
    """Choose a description of the terminal; raises KindlingError when the system has none at all."""
    for name in (os.environ.get("TERM", ""), *_TERMINALS):
        with contextlib.suppress(curses.error):
            curses.setupterm(name or "dumb", sys.stdout.fileno())
            os.environ["TERM"] = name or "dumb"
            return
    raise KindlingError(
        "This system does not know your terminal.", hint="Set TERM (for example TERM=vt100), or use --once."
    )


@contextmanager
def _resizes(writer: int) -> Iterator[None]:
    """SIGWINCH wakes the loop."""

    def nothing(number: int, frame: object) -> None:
        del number, frame  # the wake-up is all that is needed

    before = signal.signal(signal.SIGWINCH, nothing)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGWINCH, before)


def _styles(*, colour: bool) -> dict[Style, int]:
    """Attributes of curses. Without colours bold and reverse still tell things apart."""
    red = cyan = curses.A_NORMAL
    if colour and curses.has_colors():
        curses.start_color()
        curses.use_default_colors()
        curses.init_pair(1, curses.COLOR_RED, -1)
        curses.init_pair(2, curses.COLOR_CYAN, -1)
        red, cyan = curses.color_pair(1), curses.color_pair(2)
    return {
        "plain": curses.A_NORMAL,
        "title": curses.A_BOLD | cyan,
        "header": curses.A_BOLD,
        "failed": red,
        "bar": curses.A_REVERSE,
        "warning": red | curses.A_BOLD,
    }
