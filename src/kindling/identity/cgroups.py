"""Paths of cgroups by their ids: the id of a cgroup v2 is the inode number of its directory."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

_REMEMBERED: Final = 4_096

#: The whole tree is searched at most so often: a cgroup that is gone would be searched for ever.
_SEARCH_SECONDS: Final = 0.1
#: And a search is followed by a rest of so many times its length.
_REST: Final = 20


class CgroupPaths:
    """Remembers the paths, also of cgroups that are gone."""

    def __init__(self, root: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._paths: OrderedDict[int, str] = OrderedDict()
        self._search_at = 0.0

    def path(self, cgroup: int) -> str:
        """The path below the root, "/" for the root itself, "" when it cannot be found."""
        known = self._paths.get(cgroup)
        if known is None and self._clock() >= self._search_at:
            begun = self._clock()
            self._search()
            ended = self._clock()
            self._search_at = ended + max(_SEARCH_SECONDS, _REST * (ended - begun))
            known = self._paths.get(cgroup)
        return known or ""

    def is_at(self, cgroup: int, path: str) -> bool:
        """Whether a cgroup has a path; remembers it then."""
        if self._paths.get(cgroup) == path:
            return True
        if self.id_of(path) != cgroup:
            return False
        self._remember(cgroup, path)
        return True

    def id_of(self, path: str) -> int | None:
        """The cgroup that has a path now; None where that cannot be told."""
        if self._root is None or ".." in path.split("/"):
            return None
        try:
            return (self._root / path.lstrip("/")).stat().st_ino
        except OSError:
            return None

    def _search(self) -> None:
        if self._root is None:
            return
        root = str(self._root)
        for directory, _, _ in os.walk(root):
            try:
                inode = os.stat(directory).st_ino
            except OSError:
                continue
            self._remember(inode, directory.removeprefix(root) or "/")

    def _remember(self, cgroup: int, path: str) -> None:
        self._paths[cgroup] = path
        self._paths.move_to_end(cgroup)
        if len(self._paths) > _REMEMBERED:
            self._paths.popitem(last=False)


def cgroup2_root(mounts: str) -> Path | None:
    """Where cgroup v2 is mounted, from the text of /proc/mounts (fstab(5))."""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == "cgroup2":
            return Path(fields[1].replace("\\040", " "))
    return None
