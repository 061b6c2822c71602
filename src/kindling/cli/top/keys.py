"""What a terminal sends for a key, to the names that `State.press` knows."""

from __future__ import annotations

import curses
import re
from collections.abc import Iterator, Sequence
from typing import Final

_NAMED: Final = {
    curses.KEY_UP: "up",
    curses.KEY_DOWN: "down",
    curses.KEY_LEFT: "left",
    curses.KEY_RIGHT: "right",
    curses.KEY_PPAGE: "page_up",
    curses.KEY_NPAGE: "page_down",
    curses.KEY_HOME: "home",
    curses.KEY_BTAB: "back_tab",
    curses.KEY_ENTER: "enter",
    curses.KEY_BACKSPACE: "backspace",
}
_CONTROLS: Final = {
    "\t": "tab",
    "\n": "enter",
    "\r": "enter",
    "\033": "escape",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x15": "clear",
}
#: Keys as terminals send them whose description says otherwise (ECMA-48, xterm's normal cursor keys).
_SEQUENCES: Final = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "H": "home",
    "Z": "back_tab",
    "1~": "home",
    "5~": "page_up",
    "6~": "page_down",
}
_SEQUENCE: Final = re.compile(r"\033[\[O]([0-9;]*[A-Za-z~])")

#: From here on characters stand for keys of curses: no keyboard sends these.
_PRIVATE: Final = 0x10_0000


def decode(read: Sequence[str | int]) -> Iterator[str]:
    """What `curses.window.get_wch` gave in one go. Sequences and keys that mean nothing here are passed over."""
    text = "".join(key if isinstance(key, str) else chr(_PRIVATE + key) for key in read)
    at = 0
    while at < len(text):
        if found := _SEQUENCE.match(text, at):
            at = found.end()
            if found[1] in _SEQUENCES:
                yield _SEQUENCES[found[1]]
            continue
        key = text[at]
        at += 1
        if ord(key) >= _PRIVATE:
            if name := _NAMED.get(ord(key) - _PRIVATE):
                yield name
        else:
            yield _CONTROLS.get(key, key)
