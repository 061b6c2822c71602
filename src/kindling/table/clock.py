"""Two clocks: the probe's (nanoseconds, monotonic or of the packets) and the reader's (unix seconds)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Moment:
    """The same moment on both."""

    probe_ns: int
    unix: float

    def to_unix(self, probe_ns: int) -> float:
        return self.unix + (probe_ns - self.probe_ns) / _SECOND
