"""System calls that do no networking: an agent must not slow them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from benchmarks.servers import PIN

_LOOPS = {
    "getppid": "f = os.getppid\nfor _ in range(n): f()",
    "pread": "fd = os.open('/etc/passwd', os.O_RDONLY)\nfor _ in range(n): os.pread(fd, 512, 0)",
    "pipe": "r, w = os.pipe()\nfor _ in range(n): os.write(w, b'x'); os.read(r, 1)",
}
_RUNS = {"getppid": 3_000_000, "pread": 800_000, "pipe": 500_000}


def _rate(name: str) -> float:
    """Return calls per second of processor time."""
    n = _RUNS[name]
    code = f"import os, time\nn = {n}\nt = time.process_time()\n{_LOOPS[name]}\nprint(n / (time.process_time() - t))"
    return float(subprocess.run([*PIN, sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


WORKLOADS: dict[str, Callable[[], float]] = {name: (lambda name=name: _rate(name)) for name in _LOOPS}  # type: ignore[misc]

if __name__ == "__main__":
    print({name: work() for name, work in WORKLOADS.items()}, os.getpid())
