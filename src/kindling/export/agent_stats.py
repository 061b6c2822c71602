"""What the agent knows of itself."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class SelfUse:
    """CPU seconds since the start, resident bytes, start in unix seconds, bytes of BPF maps in the kernel."""

    user_seconds: float
    system_seconds: float
    resident_bytes: int
    started: float
    map_bytes: int = 0


def read_self() -> SelfUse:
    """proc(5), /proc/self/stat and statm."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return SelfUse(
        user_seconds=int(fields[11]) / _TICKS,
        system_seconds=int(fields[12]) / _TICKS,
        resident_bytes=resident,
        started=boot + int(fields[19]) / _TICKS,
        map_bytes=map_bytes(),
    )


def map_bytes(folder: Path = Path("/proc/self/fdinfo")) -> int:
    """Memory of the BPF maps that this process has open: bpf_map_show_fdinfo() in kernel/bpf/syscall.c."""
    sizes: dict[str, int] = {}
    for name in os.listdir(folder):  # noqa: PTH208 -- names are all that is needed
        try:
            text = (folder / name).read_text(encoding="ascii")
        except OSError:  # closed meanwhile
            continue
        if "map_type:" in text:
            fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            sizes[fields.get("map_id", name)] = int(fields.get("memlock", "0"))
    return sum(sizes.values())
