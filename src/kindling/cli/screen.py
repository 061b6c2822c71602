"""A terminal's other screen, for what is shown again and again; given back whatever ends it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from kindling.cli.widths import cut

_ENTER: Final = "\033[?1049h\033[?25l"
_LEAVE: Final = "\033[?25h\033[?1049l"
_HOME: Final = "\033[H"
_CLEAR_LINE: Final = "\033[K"
_CLEAR_BELOW: Final = "\033[J"

ENDINGS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """SIGTERM and SIGHUP end what runs inside as an exit does: what must be put back is put back."""
    before = {number: signal.signal(number, _leave) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise SystemExit(128 + number)


@contextmanager
def full_screen() -> Iterator[None]:
    with ended_by_signal():
        sys.stdout.write(_ENTER)
        try:
            yield
        finally:
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()


def draw(lines: Sequence[str], width: int, height: int) -> None:
    """Over what stands there, so that nothing flickers. Lines with colours must fit already."""
    shown = [line if "\033" in line else cut(line, width) for line in lines[:height]]
    sys.stdout.write(_HOME + "\n".join(f"{_CLEAR_LINE}{line}" for line in shown) + _CLEAR_BELOW)
    sys.stdout.flush()
