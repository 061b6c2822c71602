"""A host made of files: /proc, the tree of cgroups, what container runtimes keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Host:
    def __init__(self, base: Path) -> None:
        self.proc = base / "proc"
        self.cgroup = base / "cgroup"
        self.root = base / "root"
        for path in (self.proc, self.cgroup, self.root):
            path.mkdir()

    def process(
        self,
        pid: int,
        comm: str,
        *,
        cgroup: str = "/",
        exe: str = "/usr/bin/program",
        threads: tuple[str, ...] = (),
        started: int = 4711,
        v1: str = "",
    ) -> int:
        """A process; gives the id of its cgroup."""
        base = self.proc / str(pid)
        (base / "task").mkdir(parents=True)
        (base / "fd").mkdir()
        numbers = " ".join(["S", *["0"] * 18, str(started), "0"])
        (base / "stat").write_text(f"{pid} ({comm}) {numbers}\n")
        (base / "cgroup").write_text(f"{v1}0::{cgroup}\n")
        (base / "exe").symlink_to(exe)
        for number, name in enumerate((comm, *threads)):
            task = base / "task" / str(pid + number)
            task.mkdir()
            (task / "comm").write_text(f"{name}\n")
        return self.cgroup_id(cgroup)

    def cgroup_id(self, path: str) -> int:
        folder = self.cgroup / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        return folder.stat().st_ino

    def socket(self, pid: int, number: int, inode: int) -> None:
        (self.proc / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    def state(self, path: str, content: Any) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
