"""Doing something in every network namespace.

setns(2) changes the namespace of the calling thread alone. Each piece of work gets a thread of its
own that ends with it, so no other part of the program ever finds itself elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from kindling.identity.proc import PROC, pids

_CLONE_NEWNET: Final = 0x4000_0000

#: Where `ip netns` and container network plugins keep namespaces without process.
_NAMED: Final = Path("/run/netns")

T = TypeVar("T")


def namespaces(proc: Path = PROC, named: Path = _NAMED) -> dict[int, Path]:
    """A file of each network namespace, by its inode number; the caller's own one first."""
    found: dict[int, Path] = {}
    candidates = [proc / "self" / "ns" / "net", *(proc / str(pid) / "ns" / "net" for pid in pids(proc))]
    with suppress(OSError):
        candidates += sorted(named.iterdir())
    for path in candidates:
        with suppress(OSError):
            found.setdefault(path.stat().st_ino, path)
    return found


def in_namespace(path: Path, work: Callable[[], T]) -> T:
    """The result of `work` in a namespace. Raises what it raises, and OSError when the way in is barred."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _enter(path)
            results.append(work())
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name="netns", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _enter(path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(number, _CLONE_NEWNET):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(path))
    finally:
        os.close(number)
