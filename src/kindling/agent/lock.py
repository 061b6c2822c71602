"""One agent per data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kindling.errors import AlreadyRunningError, PrivilegeError, SettingError


@contextmanager
def data_directory(path: Path) -> Iterator[Path]:
    """Create the directory, see that it can be written, and keep other agents out of it."""
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        problem = f"The data directory {path} cannot be used: {(error.strerror or str(error)).lower()}."
        if isinstance(error, PermissionError) and os.geteuid() != 0:
            raise PrivilegeError(problem) from None  # another directory would help no further than to the probe
        raise SettingError(problem, hint="Name another with --data DIR.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            who = f" (process {holder})" if holder else ""
            raise AlreadyRunningError(
                f"Another agent{who} runs with the data directory {path}.",
                hint="Ask it with `kindling flows`, stop it, or give this one --data DIR and --listen HOST:PORT.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield path
    finally:
        os.close(descriptor)  # gives the lock back; the file stays, or two agents could lock two files
