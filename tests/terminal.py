"""A program on a terminal of its own: keys go in, the screen is read as people see it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyte

PATIENCE_SECONDS = 20


class _Screen(pyte.Screen):
    """Scrolls by a command too (ECMA-48, SU and SD), as every terminal that people have."""

    def scroll_up(self, count: int = 1) -> None:
        self._scroll(count or 1, self.index, last=True)

    def scroll_down(self, count: int = 1) -> None:
        self._scroll(count or 1, self.reverse_index, last=False)

    def _scroll(self, count: int, by_one: Callable[[], None], *, last: bool) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        line, self.cursor.y = self.cursor.y, bottom if last else top
        for _ in range(count):
            by_one()
        self.cursor.y = line


class _Stream(pyte.ByteStream):
    csi = {**pyte.ByteStream.csi, "S": "scroll_up", "T": "scroll_down"}  # noqa: RUF012 -- as in its base
    events = pyte.ByteStream.events | {"scroll_up", "scroll_down"}


class Terminal:
    """`lines` are what the screen shows; `written` all bytes that came."""

    def __init__(self, process: int, descriptor: int, rows: int, columns: int) -> None:
        self.process = process
        self.written = b""
        self._descriptor = descriptor
        self._screen = _Screen(columns, rows)
        self._stream = _Stream(self._screen)
        self._code: int | None = None

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def press(self, *keys: str) -> None:
        os.write(self._descriptor, "".join(keys).encode())

    def resize(self, rows: int, columns: int) -> None:
        self._screen.resize(rows, columns)
        set_size(self._descriptor, rows, columns)

    def wait_for(self, wanted: str | Callable[[str], bool]) -> str:
        """Read until the screen shows what is wanted."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if wanted in self.text if isinstance(wanted, str) else wanted(self.text):
                return self.text
            if not self._read(0.05) and self.code(wait=False) is not None:
                break
        raise AssertionError(f"not seen on the screen: {wanted}\n{self.text}")

    def read_for(self, seconds: float) -> int:
        """Bytes that came in that time."""
        before = len(self.written)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)
        return len(self.written) - before

    def end(self) -> int:
        """Exit code, when the program ends by itself; negative: the signal that ended it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            self._read(0.05)
            code = self.code(wait=False)
            if code is not None:
                while self._read(0):
                    pass
                return code
        raise AssertionError(f"it does not end:\n{self.text}")

    def code(self, *, wait: bool) -> int | None:
        if self._code is None:
            process, status = os.waitpid(self.process, 0 if wait else os.WNOHANG)
            if process:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def _read(self, seconds: float) -> bool:
        readable, _, _ = select.select([self._descriptor], [], [], seconds)
        if not readable:
            return False
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.written += data
        self._stream.feed(data)
        return bool(data)


def set_size(descriptor: int, rows: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def on_terminal(command: Sequence[str], *, rows: int = 24, columns: int = 80, **environment: str) -> Iterator[Terminal]:
    """Start a program with a terminal as its standard input, output and error; killed at the end if it still runs."""
    settings = {**os.environ, "TERM": "xterm-256color", **environment}
    process, descriptor = pty.fork()
    if not process:  # the child: its size must be right before it looks
        set_size(0, rows, columns)
        os.execvpe(command[0], list(command), settings)
    terminal = Terminal(process, descriptor, rows, columns)
    try:
        yield terminal
    finally:
        if terminal.code(wait=False) is None:
            os.kill(process, signal.SIGKILL)
            terminal.code(wait=True)
        os.close(descriptor)
