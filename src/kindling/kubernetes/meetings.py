"""Which clients were seen at which endpoints, and when."""

from __future__ import annotations

from typing import Final

from kindling.kubernetes.conntrack import Endpoint

_CLIENTS: Final = 16_384
_ENDPOINTS: Final = 256
"""Of one client."""


class Meetings:
    """Bounded: the client that came first goes first; of one client, endpoints beyond the bound are not remembered."""

    def __init__(self) -> None:
        self._by_client: dict[tuple[str, str], dict[Endpoint, float]] = {}

    def meet(self, client: str, endpoint: Endpoint, transport: str, now: float) -> bool:
        """Whether this is news."""
        known = self._by_client.get((client, transport))
        if known is None:
            if len(self._by_client) >= _CLIENTS:
                del self._by_client[next(iter(self._by_client))]
            known = self._by_client[client, transport] = {}
        new = endpoint not in known
        if not new or len(known) < _ENDPOINTS:
            known[endpoint] = now
        return new

    def of(self, client: str, transport: str) -> dict[Endpoint, float]:
        """Endpoints and unix seconds."""
        return self._by_client.get((client, transport), {})

    def forget(self, before: float) -> None:
        for key, known in list(self._by_client.items()):
            for endpoint in [endpoint for endpoint, at in known.items() if at < before]:
                del known[endpoint]
            if not known:
                del self._by_client[key]

    def __len__(self) -> int:
        return len(self._by_client)
