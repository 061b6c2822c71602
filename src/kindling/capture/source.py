"""What a running kernel and a capture file have in common: tables, losses and events of the probe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Announce = Callable[[Sequence[tuple[int, bytes]]], None]


def no_announcement(queries: Sequence[tuple[int, bytes]]) -> None:
    """Nobody will ask what happened here."""


class Source(Protocol):
    """Names of tables: owner, flow, op, name. Structures and enumerations: those of bpf/types.h."""

    def slots(self, table: str) -> NDArray[np.void]:
        """Return all slots of a table in place: the array changes while the probe counts."""
        ...

    def dtype(self, structure: str) -> np.dtype[np.void]:
        """Return the layout of a structure of the probe, `event_request` for example."""
        ...

    def lost(self) -> dict[str, int]:
        """Return each cause of `enum lost`, in lower case and without LOST_, and how often it happened so far."""
        ...

    def events(self) -> Iterable[bytes]:
        """Return the events since the last call."""
        ...

    def release(self, table: str, slots: Sequence[int], ids: Sequence[int], fold: Callable[[], None]) -> None:
        """Give slots back. `fold` is called once no program can change them any more: they are read a last time."""
        ...

    def expire_queries(self, older_than_ns: int, announce: Announce = no_announcement) -> Sequence[bytes]:
        """Take out the queries (struct pending) asked before a time of `now`: nobody answered them.

        `announce` is told key and content of what may be taken, before anything is, where a restart can need it.
        """
        ...

    def refill(self) -> None:
        """Keep enough free slots ready. To be called at every interval."""
        ...

    def now(self) -> int:
        """Nanoseconds of the clock of the events: CLOCK_MONOTONIC, or that of the newest packet."""
        ...

    def close(self) -> None: ...


class LastingSource(Source, Protocol):
    """A source whose tables outlive the process that reads them."""

    @property
    def identity(self) -> str:
        """Of these very tables: others have another one."""
        ...

    def interrupted(self, table: str) -> list[int]:
        """Return the slots that are no longer found by their id: somebody was killed while he gave them back.

        To be given to `release` without ids.
        """
        ...

    def audit(self) -> int:
        """Give back the slots that are neither free nor in use, zeroed. Returns how many."""
        ...

    def find_query(self, key: int) -> bytes | None:
        """Return a query that is in flight."""
        ...
