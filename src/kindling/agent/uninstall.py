"""Removing what agents leave behind."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from kindling.agent.lock import data_directory
from kindling.capture.bpf import attach, cgroup
from kindling.capture.bpf.pins import Pins
from kindling.capture.bpf.program import KINDS
from kindling.capture.bpf.syscall import ProgramType

_STATE_FILES: Final = ("journal", "journal.new", "flow.marks", "op.marks")
_CGROUP: Final = (ProgramType.CGROUP_SKB, ProgramType.CGROUP_SOCK, ProgramType.SOCK_OPS, ProgramType.CGROUP_SOCK_ADDR)


def uninstall(pins: Path, state: Path, data: Path | None) -> list[str]:
    """Remove pins and journal, and the data directory if one is given. Returns what was done, nothing for nothing.

    Raises AlreadyRunningError while an agent runs.
    """
    done: list[str] = []
    with ExitStack() as stack:
        if data is not None and data.is_dir():
            stack.enter_context(data_directory(data))
        if pins.is_dir():
            held = stack.enter_context(Pins(pins))
            what = ", ".join(_counted(len(list(each.iterdir())), each.name) for each in pins.iterdir())
            held.remove()
            done.append(f"removed {pins}" + (f" ({what})" if what else ""))
        done += _detach_unlinked()
        done += _remove_state(state)
        if data is not None and data.is_dir():
            shutil.rmtree(data)
            done.append(f"removed {data}")
    return done


def _counted(number: int, folder: str) -> str:
    kind, one = folder.partition("_")[0], "1 program" if number == 1 else f"{number} programs"
    return f"{number} maps" if kind == "maps" else f"{one} detached"


def _detach_unlinked() -> list[str]:
    """Programs that kernels without links keep attached."""
    root = cgroup.open_root()
    try:
        kinds = {place for kind, place in KINDS.values() if kind in _CGROUP}
        count = sum(attach.detach_leftovers(root, kind) for kind in sorted(kinds))
    finally:
        os.close(root)
    return [f"detached {count} programs"] if count else []


def _remove_state(state: Path) -> list[str]:
    found = [state / name for name in _STATE_FILES if (state / name).exists()]
    for each in found:
        each.unlink()
    if state.is_dir() and not any(state.iterdir()):
        state.rmdir()
    return [f"removed the journal in {state}"] if found else []
