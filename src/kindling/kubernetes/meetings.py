"""Which clients were seen at which endpoints, when, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kindling.kubernetes.conntrack import Endpoint

_CLIENTS: Final = 16_384
_ENDPOINTS: Final = 256
"""Of one client."""


@dataclass(slots=True)
class Meeting:
    seen: float
    """Unix seconds."""
    connections: int = 0


class Meetings:
    """Bounded: the client that came first goes first; of one client, endpoints beyond the bound are not remembered."""

    def __init__(self) -> None:
        self._by_client: dict[tuple[str, str], dict[Endpoint, Meeting]] = {}

    def meet(self, client: str, endpoint: Endpoint, transport: str, now: float, connections: int = 0) -> bool:
        """Whether this is news."""
        known = self._by_client.get((client, transport))
        if known is None:
            if len(self._by_client) >= _CLIENTS:
                del self._by_client[next(iter(self._by_client))]
            known = self._by_client[client, transport] = {}
        meeting = known.get(endpoint)
        if meeting is None and len(known) < _ENDPOINTS:
            known[endpoint] = Meeting(now, connections)
        elif meeting is not None:
            meeting.seen = now
            meeting.connections += connections
        return meeting is None

    def of(self, client: str, transport: str) -> dict[Endpoint, Meeting]:
        return self._by_client.get((client, transport), {})

    def forget(self, before: float) -> None:
        for key, known in list(self._by_client.items()):
            for endpoint in [endpoint for endpoint, meeting in known.items() if meeting.seen < before]:
                del known[endpoint]
            if not known:
                del self._by_client[key]

    def __len__(self) -> int:
        return len(self._by_client)
