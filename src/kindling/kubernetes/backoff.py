"""How long to wait before asking again: longer each time, and never all agents of a cluster at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

_FIRST: Final = 1.0
_MOST: Final = 120.0
_FACTOR: Final = 2.0


class Backoff:
    """Seconds to wait, half of them by chance."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._ceiling = _FIRST

    def failed(self, at_least: float = 0.0) -> float:
        """`at_least`: what the server asked for; nobody waits for longer than two minutes."""
        ceiling, self._ceiling = self._ceiling, min(self._ceiling * _FACTOR, _MOST)
        return max(min(at_least, _MOST), ceiling * (0.5 + 0.5 * self._chance()))

    def worked(self) -> None:
        self._ceiling = _FIRST
