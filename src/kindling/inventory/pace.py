"""When the next write is due: not before its interval, and so late that the average stays within the budgets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from kindling.config import Inventory

#: However much there is to write, it is not put off for longer.
LONGEST_SECONDS: Final = 300.0
_IO: Final = Path("/proc/thread-self/io")


class Pace:
    """Of one thread, whose own CPU time and written bytes it reads."""

    def __init__(self, settings: Inventory) -> None:
        self.bytes = 0
        self.seconds = 0.0
        self._interval = settings.write_seconds
        self._cpu = settings.max_cpu
        self._rate = settings.max_bytes_per_second
        self._begun = (0.0, 0)

    def begin(self) -> None:
        self._begun = (time.thread_time(), written_bytes())

    def end(self) -> float:
        """Seconds from now to the next write."""
        seconds, count = time.thread_time() - self._begun[0], written_bytes() - self._begun[1]
        self.seconds += seconds
        self.bytes += count
        return min(LONGEST_SECONDS, max(self._interval, seconds / self._cpu, count / self._rate))


def written_bytes() -> int:
    """What this thread has given to write() so far; 0 where the kernel does not tell (proc(5), /proc/pid/io)."""
    try:
        for line in _IO.read_text(encoding="ascii").splitlines():
            if line.startswith("wchar:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
