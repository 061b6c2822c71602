"""The true root of cgroup v2: programs attached there see every container.

It exists on every kernel with cgroups, mounted or not. Hybrid hosts mount it at /sys/fs/cgroup/unified; a container
sees its own subtree as the root of a mount. The true root has inode 1 (kernfs gives the first number to its root).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from kindling.capture.bpf.mounts import enter_namespace, open_detached
from kindling.errors import PrivilegeError, UnsupportedError

ROOT_INODE: Final = 1

_NEW_CGROUP: Final = 0x0200_0000


def open_root() -> int:
    """Return a descriptor of the true root.

    Raises PrivilegeError in a container that is kept from it, UnsupportedError where the kernel has none.
    """
    reasons: list[str] = []
    for way in (_mounted, _mounted_for_init, _mount, _mount_as_init):
        try:
            for fd in way():
                if os.fstat(fd).st_ino == ROOT_INODE:
                    return fd
                os.close(fd)
        except OSError as error:
            reasons.append(f"{(way.__doc__ or '').partition('.')[0]}: {error.strerror}")
    if any("not permitted" in reason or "denied" in reason for reason in reasons) and os.geteuid() != 0:
        raise PrivilegeError("Not allowed to open the root of cgroup v2.")
    raise UnsupportedError(
        f"The root of cgroup v2 is out of reach ({'; '.join(reasons) or 'a container sees its own part only'}).",
        hint="In a container, share the host's PID namespace (hostPID, --pid=host) and run privileged.",
    )


def _mounted() -> Iterator[int]:
    """Where this process sees it mounted."""
    yield from _open_mounts(Path("/proc/self/mountinfo"), Path("/"))


def _mounted_for_init() -> Iterator[int]:
    """Where the first process sees it mounted."""
    yield from _open_mounts(Path("/proc/1/mountinfo"), Path("/proc/1/root"))


def _open_mounts(table: Path, root: Path) -> Iterator[int]:
    for line in table.read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] == "cgroup2":
            # blanks and the like stand there as \040
            mounted = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
            try:
                yield os.open(root / mounted.lstrip("/"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                continue


def _mount() -> Iterator[int]:
    """A mount of our own."""
    yield open_detached("cgroup2")


def _mount_as_init() -> Iterator[int]:
    """A mount of our own in the first process's cgroup namespace."""
    # A namespace is a thread's own: this one is lent to a thread that ends at once.
    yield from _in_thread(_enter_and_mount)


def _enter_and_mount() -> list[int]:
    enter_namespace("/proc/1/ns/cgroup", _NEW_CGROUP)
    return [open_detached("cgroup2")]


def _in_thread(act: Callable[[], list[int]]) -> list[int]:
    result: list[int] = []
    failed: list[OSError] = []

    def run() -> None:
        try:
            result.extend(act())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result
