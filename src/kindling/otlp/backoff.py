"""How long to wait before the next attempt (OTLP specification, "All Server Responses" and "Throttling")."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

_FIRST: Final = 1.0
_FACTOR: Final = 1.6
_MOST: Final = 30.0
#: A collector that asks for more is asked earlier: the queue is shorter than that.
_MOST_ASKED: Final = 120.0


class Backoff:
    """Grows with each failure; by up to half shorter or longer, so that agents do not come back all at once."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._next = _FIRST

    def wait(self, asked: float | None) -> float:
        """Seconds. `asked`: what the collector asked for (Retry-After, RetryInfo); never less than that."""
        mean, self._next = self._next, min(_MOST, self._next * _FACTOR)
        if asked is not None:
            return min(_MOST_ASKED, max(0.0, asked)) + self._chance() * 0.1 * mean
        return mean * (0.5 + self._chance())

    def reset(self) -> None:
        self._next = _FIRST
