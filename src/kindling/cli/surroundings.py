"""What of Kindling is on this host already: agents, pinned maps, who listens."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kindling.cli.client import Agent, fetch
from kindling.cli.widths import wrapped
from kindling.config import Settings
from kindling.errors import InputError, KindlingError, PrivilegeError
from kindling.export.escape import terminal
from kindling.kubernetes.trial import try_out

_LOCK: Final = "agent.lock"


@dataclass(frozen=True, slots=True)
class Found:
    """One answer."""

    what: str
    detail: str


def look_around(agent: Agent, settings: Settings | None = None) -> list[Found]:
    """In the order in which they are shown. Nothing is changed."""
    settings = settings or Settings()
    cluster = try_out(settings.kubernetes)
    return [
        Found("data directory", f"{settings.data}: {_lock(settings.data / _LOCK)}"),
        Found("pinned maps", f"{settings.persistence.pins}: {_pins(settings.persistence.pins)}"),
        Found("address", f"{settings.listen}: {_listener(settings.host, settings.port)}"),
        Found("agent", f"{agent.url}: {_answer(agent)}"),
        *([Found("cluster", cluster)] if cluster else []),
    ]


def lines(found: list[Found], width: int | None = None) -> Iterator[str]:
    """For people."""
    indent = max(len(each.what) for each in found) + 2
    for each in found:
        yield from wrapped(f"{each.what:<{indent}}{terminal(each.detail)}", width, indent)


def _lock(path: Path) -> str:
    """Who holds the lock of a data directory."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "no agent has run with it"
    except OSError as error:
        return f"cannot be looked at ({_said(error)})"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return f"an agent runs with it (process {holder or 'unknown'})"
    else:
        return "free"
    finally:
        os.close(descriptor)  # gives the lock back


def _pins(path: Path) -> str:
    try:
        count = sum(1 for entry in path.rglob("*") if not entry.is_dir())
    except OSError as error:
        return f"cannot be looked at ({_said(error)})"
    if not path.is_dir():
        return "none"
    return f"{count}: what an agent counted last; `kindling uninstall` removes them" if count else "none"


def _listener(host: str, port: int) -> str:
    """Whether an agent could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        return "in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({_said(error)})"
    return "free"


def _answer(agent: Agent) -> str:
    try:
        status: dict[str, Any] = fetch(agent, "/api/v1/status")
    except (PrivilegeError, InputError) as error:
        return f"answers: {error.message}"
    except KindlingError:
        return "none answers"
    return f"Kindling {status.get('version')} answers, process {status.get('pid')} on {status.get('node')}"


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
