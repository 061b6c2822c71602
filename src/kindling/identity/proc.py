"""What /proc tells about a process (proc(5)). A process may be gone at any moment: then None or ""."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def host_root(proc: Path = PROC) -> Path:
    """The host's root directory, also from within a container that shares the host's pids; our own where
    that is not ours to see.
    """
    root = proc / "1" / "root"
    try:
        os.stat(root / "etc")
    except OSError:
        return Path("/")
    return root


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    comm: bytes
    """Of the main thread, at most 15 bytes."""
    exe: str
    cgroups: tuple[str, ...]
    """Paths of every hierarchy it is in, cgroup v2 first."""
    unified: str
    """Path in cgroup v2, "" where it is not used."""
    started: int
    """Clock ticks after boot: with the pid, this names one process for ever."""


def read_process(pid: int, proc: Path = PROC) -> Process | None:
    """None when there is no such process, or it is not ours to see."""
    base = proc / str(pid)
    try:
        stat = (base / "stat").read_bytes()
        cgroups = (base / "cgroup").read_text(encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None
    # comm stands in parentheses and may hold some itself
    comm = stat[stat.find(b"(") + 1 : stat.rfind(b")")]
    rest = stat[stat.rfind(b")") + 1 :].split()
    return Process(
        pid=pid,
        comm=comm,
        exe=_exe(base),
        cgroups=parse_cgroups(cgroups),
        unified=unified(cgroups),
        started=int(rest[19]) if len(rest) > 19 else 0,
    )


def thread_names(pid: int, proc: Path = PROC) -> set[bytes]:
    """Names of all threads of a process."""
    names: set[bytes] = set()
    try:
        tasks = os.listdir(proc / str(pid) / "task")
    except OSError:
        return names
    for task in tasks:
        try:
            names.add((proc / str(pid) / "task" / task / "comm").read_bytes().removesuffix(b"\n"))
        except OSError:
            continue
    return names


def parse_cgroups(text: str) -> tuple[str, ...]:
    """Lines of /proc/PID/cgroup, "ID:CONTROLLERS:PATH" (cgroups(7)), to paths without repetition."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if not colon:
            continue
        # v2 has number 0; systemd's own v1 hierarchy tells units where v2 is not used
        rank = 0 if number == "0" else 1 if controllers == "name=systemd" else 2
        found[path] = min(rank, found.get(path, rank))
    return tuple(sorted(found, key=found.__getitem__))


def unified(text: str) -> str:
    """The path in cgroup v2, whose hierarchy has number 0, of /proc/PID/cgroup; "" for none."""
    for line in text.splitlines():
        if line.startswith("0::"):
            return line[3:]
    return ""


def pids(proc: Path = PROC) -> list[int]:
    """All processes that are there now."""
    names = os.listdir(proc)
    return sorted(int(name) for name in names if name.isdigit())


def _exe(base: Path) -> str:
    try:
        return str((base / "exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""
