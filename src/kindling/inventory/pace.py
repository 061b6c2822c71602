"""When the next write is due: not before its interval, and so late that the average stays within the budgets.

A write costs the seconds in which the budgets of CPU and bytes grow by as much as it took. Until they have passed only
what is new is written, for somebody may wait to be told of it; that is added to the debt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kindling.config import Inventory

#: With a debt of so many seconds what is new waits too.
MOST_SECONDS: Final = 300.0
_IO: Final = Path("/proc/thread-self/io")


class Pace:
    """Of one thread, whose own CPU time and written bytes it reads."""

    def __init__(self, settings: Inventory, clock: Callable[[], float] = time.monotonic) -> None:
        self.bytes = 0
        self.seconds = 0.0
        self._interval = settings.write_seconds
        self._cpu = settings.max_cpu
        self._rate = settings.max_bytes_per_second
        self._clock = clock
        self._begun = (0.0, 0)
        self._paid = clock()
        """When all that was written will be paid for."""

    @property
    def debt(self) -> float:
        """Seconds until everything may be written again."""
        return max(0.0, self._paid - self._clock())

    def begin(self) -> None:
        self._begun = (time.thread_time(), written_bytes())

    def end(self) -> float:
        """Seconds from now to the next write, of what is new at least."""
        seconds, count = time.thread_time() - self._begun[0], written_bytes() - self._begun[1]
        self.seconds += seconds
        self.bytes += count
        self._paid = self._clock() + self.debt + max(seconds / self._cpu, count / self._rate)
        return max(self._interval, self.debt - MOST_SECONDS)


def written_bytes() -> int:
    """What this thread has given to write() so far; 0 where the kernel does not tell (proc(5), /proc/pid/io)."""
    try:
        for line in _IO.read_text(encoding="ascii").splitlines():
            if line.startswith("wchar:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
