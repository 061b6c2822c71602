"""The load of load.c: compiled when it changed, run on the processor of the servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.servers import output

SOURCE = Path(__file__).with_name("load.c")
PROGRAM = SOURCE.parents[1] / ".cache" / "load"
NETWORK = ("http", "redis", "connects")
CALLS = ("getppid", "pread", "pipe")


def build() -> None:
    if PROGRAM.exists() and PROGRAM.stat().st_mtime > SOURCE.stat().st_mtime:
        return
    PROGRAM.parent.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "ziglang", "cc", "-O2", "-Wall", str(SOURCE), "-o", str(PROGRAM)], check=True)


def rate(what: str, seconds: float, port: int = 0) -> float:
    """Return operations per second."""
    return float(output([str(PROGRAM), what, str(seconds), str(port)]))
