"""When the kernel is asked who answers a client: seldom, and never more than so often in a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from kindling.kubernetes.conntrack import Connection, Endpoint

PER_SECOND: Final = 2_000
"""Look-ups of some 10 microseconds each."""
_OFTEN: Final = 16
"""Look-ups of a pair, one an interval; after that each waits twice as long as the one before."""
_LONGEST: Final = 64.0


class Pair(NamedTuple):
    """A client and the service it calls, by the addresses that the client sees."""

    client: str
    address: str
    port: int
    transport: str


Question = tuple[Pair, Connection]


class Lookup(Protocol):
    """Asks the kernel, elsewhere."""

    def put(self, questions: Sequence[Question]) -> None: ...

    def take(self) -> list[tuple[Pair, Endpoint | None]]:
        """Answers since the last call; None: the kernel knows no such connection, or no more."""
        ...

    @property
    def waiting(self) -> int:
        """Questions without answer."""
        ...

    @property
    def seconds(self) -> float:
        """Processor time so far."""
        ...


@dataclass(slots=True)
class Asked:
    """How often a pair was asked for, when it may be again (unix seconds), for which of the client's ports lately."""

    times: int = 0
    again: float = 0.0
    ports: tuple[int, ...] = ()


class Questions:
    """Those of one interval: of each pair one connection, and another one than lately."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._waiting: dict[Pair, tuple[Asked, Connection]] = {}
        self._room_at = 0.0
        self._room = float(PER_SECOND)
        self.asked = 0
        self.held_back = 0
        """New pairs beyond the limit; their next connection is asked for."""

    def want(self, pair: Pair, client_port: int, asked: Asked, now: float) -> None:
        if client_port and client_port not in asked.ports and now >= asked.again:
            connection = Connection(pair.client, client_port, pair.address, pair.port, pair.transport)
            self._waiting[pair] = asked, connection

    def put(self, now: float) -> None:
        """Ask, new pairs first: others lose nothing by waiting."""
        waiting = list(self._waiting.items())
        self._waiting = {}
        self._refill(now)
        room = max(0, min(int(self._room), PER_SECOND - self._lookup.waiting))
        if room < len(waiting):
            waiting.sort(key=lambda each: each[1][0].times)
        for _, (asked, connection) in waiting[:room]:
            asked.times += 1
            asked.ports = (*asked.ports[1 - _OFTEN :], connection.client_port)
            asked.again = now + (min(_LONGEST, 2.0 ** (asked.times - _OFTEN)) if asked.times >= _OFTEN else 0.0)
        self.held_back += sum(1 for _, (asked, _) in waiting[room:] if not asked.times)
        chosen = [(pair, connection) for pair, (_, connection) in waiting[:room]]
        self.asked += len(chosen)
        self._room -= len(chosen)
        if chosen:
            self._lookup.put(chosen)

    def _refill(self, now: float) -> None:
        self._room = min(PER_SECOND, self._room + max(0.0, now - self._room_at) * PER_SECOND)
        self._room_at = now

    def take(self) -> list[tuple[Pair, Endpoint | None]]:
        return self._lookup.take()

    @property
    def seconds(self) -> float:
        return self._lookup.seconds
