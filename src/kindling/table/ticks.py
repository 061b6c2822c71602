"""Tells when the tables have been read again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Ticks:
    """Counts readings. One thread: that of the event loop in which others wait."""

    def __init__(self) -> None:
        self.number = 0
        self.ended = False
        self._next = asyncio.Event()

    def advance(self) -> None:
        """The tables were read."""
        self.number += 1
        self._wake()

    def end(self) -> None:
        """They will not be read any more."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        self._next.set()
        if not self.ended:
            self._next = asyncio.Event()

    def next(self) -> Coroutine[Any, Any, Any]:
        """To be awaited: the reading after this call, or the end."""
        return self._next.wait()
