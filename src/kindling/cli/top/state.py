"""What the live view shows, and how keys change it. Knows no terminal."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

from kindling.cli.top.tabs import RATE, TABS, Tab
from kindling.export.filters import Filter

#: Rows looked at to find the fastest: those that changed last.
CANDIDATES: Final = 500
#: Rows are asked for by the hundred, so that scrolling a little asks nothing new.
_BATCH: Final = 100
#: Rows asked for beyond what is shown: the view leaves out what is of itself.
_SPARE: Final = 16
_LONGEST_FILTER: Final = 200

FILTER_KEYS: Final = frozenset(field.name for field in fields(Filter))

Question = tuple[str, tuple[tuple[str, str | int], ...]]
"""Path and parameters of what the agent is asked."""


@dataclass(slots=True)
class Order:
    """How a table is sorted, and from which row on it is shown."""

    sort: str
    backwards: bool = False
    first: int = 0


@dataclass(slots=True)
class State:
    """All that keys can change."""

    tab: Tab = TABS[0]
    orders: dict[str, Order] = field(default_factory=lambda: {tab.name: Order(tab.sort) for tab in TABS})
    filter: str = ""
    editing: str | None = None
    """The filter while it is written; None otherwise."""
    paused: bool = False
    help: bool = False
    ended: bool = False

    @property
    def order(self) -> Order:
        return self.orders[self.tab.name]

    def question(self, height: int) -> Question:
        """What to ask for a screen of `height` rows."""
        order = self.order
        parameters = filter_parameters(self.filter)
        if order.sort == RATE:
            wanted: list[tuple[str, str | int]] = [("sort", self.tab.moment), ("limit", CANDIDATES)]
        else:
            minus = "-" if order.backwards else ""
            batches = (order.first + height + _SPARE) // _BATCH + 1
            wanted = [("sort", f"{minus}{order.sort}"), ("limit", batches * _BATCH)]
        return f"/api/v1/{self.tab.name}", (*parameters, *wanted)

    def press(self, key: str, page: int = 10) -> None:
        """A key: a character, or "left", "enter", "page_down", ... `page`: rows on the screen."""
        if self.editing is not None:
            self._edit(key, self.editing)
        elif self.help:
            self.help = False
        elif key in {"q", "Q"}:
            self.ended = True
        elif key in {"?", "h"}:
            self.help = True
        elif key == " ":
            self.paused = not self.paused
        elif key == "/":
            self.editing = self.filter
        elif key == "escape":
            self.filter = ""
            self.order.first = 0
        else:
            self._move(key, page)

    def _edit(self, key: str, text: str) -> None:
        if key == "enter":
            self.filter, self.editing = text.strip(), None
            self.order.first = 0
        elif key == "escape":
            self.editing = None
        elif key == "backspace":
            self.editing = text[:-1]
        elif key == "clear":
            self.editing = ""
        elif len(key) == 1 and key.isprintable() and len(text) < _LONGEST_FILTER:
            self.editing = text + key

    def _move(self, key: str, page: int) -> None:
        order = self.order
        step = {"up": -1, "k": -1, "down": 1, "j": 1, "page_up": -page, "page_down": page}.get(key)
        if step is not None:
            order.first = max(0, order.first + step)
        elif key in {"home", "g"}:
            order.first = 0
        elif key in {"tab", "back_tab"}:
            self.tab = TABS[(TABS.index(self.tab) + (1 if key == "tab" else -1)) % len(TABS)]
        elif key.isdecimal() and 0 < int(key) <= len(TABS):
            self.tab = TABS[int(key) - 1]
        elif key in {"left", "<", "right", ">"}:
            self._sort_beside(-1 if key in {"left", "<"} else 1)
        elif key == "r":
            order.backwards = not order.backwards
        elif key in self.tab.letters:
            self._sort_by(self.tab.letters[key])

    def _sort_beside(self, step: int) -> None:
        """By the next column to the right or left."""
        keys = self.tab.sortable
        place = keys.index(self.order.sort) if self.order.sort in keys else -step
        self._sort_by(keys[(place + step) % len(keys)])

    def _sort_by(self, key: str) -> None:
        """Again by the same turns the order round."""
        order = self.order
        order.backwards = order.sort == key and not order.backwards
        order.sort = key
        order.first = 0


def filter_parameters(text: str) -> list[tuple[str, str | int]]:
    """`workload=curl port=443 example.org`: fields of the API; other words are looked for anywhere in a row."""
    found: list[tuple[str, str | int]] = []
    words = []
    for word in text.split():
        key, equals, value = word.partition("=")
        if equals and key in FILTER_KEYS:
            found.append((key, value))
        else:
            words.append(word)
    return [*found, ("search", " ".join(words))] if words else found
