"""Tells when the tables have been read again."""

from __future__ import annotations

import asyncio


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
        self._next = asyncio.Event()

    async def next(self) -> None:
        """Until the next reading or the end."""
        if not self.ended:
            await self._next.wait()
