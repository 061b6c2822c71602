"""The machine that is measured: what it is, and whether it is free."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path

BUSY = 0.15
"""Share of all processors above which a measurement waits."""


def facts() -> dict[str, str]:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": found[1] if found else platform.machine(),
        "processors": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def busy(seconds: float = 0.5) -> float:
    """Return the share of the processors' time that somebody used."""
    before = _times()
    time.sleep(seconds)
    used, total = (after - earlier for after, earlier in zip(_times(), before, strict=True))
    return used / max(1, total)


def wait_until_free(patience: float) -> float:
    """Wait until nobody else uses the machine, or patience ends. Returns the share that is used then."""
    end = time.monotonic() + patience
    while (share := busy()) > BUSY and time.monotonic() < end:
        time.sleep(1)
    return share


def _times() -> tuple[int, int]:
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)
