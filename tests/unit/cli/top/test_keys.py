"""Keys as terminals send them."""

from __future__ import annotations

import curses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.cli.top.keys import decode
from kindling.cli.top.state import State


@pytest.mark.parametrize(
    ("read", "keys"),
    [
        (["a", "B", "?"], ["a", "B", "?"]),
        ([curses.KEY_LEFT, curses.KEY_NPAGE], ["left", "page_down"]),
        (list("\033[C\033OA"), ["right", "up"]),
        (list("\033[5~\033[6~\033[Z"), ["page_up", "page_down", "back_tab"]),
        (list("\033[1;5Cq"), ["q"]),  # Ctrl and an arrow: means nothing here
        (["\033"], ["escape"]),
        (list("\t\r\n\x7f\b\x15"), ["tab", "enter", "enter", "backspace", "backspace", "clear"]),
        ([curses.KEY_F1, "q"], ["q"]),
        ([], []),
    ],
)
def test_decode(read: list[str | int], keys: list[str]) -> None:
    assert list(decode(read)) == keys


@given(st.lists(st.characters(max_codepoint=0xFFFF) | st.integers(curses.KEY_MIN, curses.KEY_MAX), max_size=40))
def test_no_key_breaks_the_view(read: list[str | int]) -> None:
    state = State()
    for key in decode(read):
        state.press(key)
        path, parameters = state.question(19)
        assert path.startswith("/api/v1/")
        assert dict(parameters)["sort"]
        assert state.order.first >= 0
