"""Which destinations lie outside this host.

Of flows their labels tell. Of mere addresses, of single requests for example, the same rules do
(`kindling.identity.Scopes`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kindling.model import INSIDE, FlowLabels

if TYPE_CHECKING:
    from kindling.identity import Scopes


class Horizon:
    """Where addresses are; `learn` more of the host's own at any time."""

    def __init__(self, own: Iterable[str] = (), *, learn_local: bool = True, scopes: Scopes | None = None) -> None:
        """`learn_local`: local ends of flows are this host's. Not so in a capture file, whose
        packets show both ends. `scopes`: those that flows are labelled by.
        """
        if scopes is None:
            from kindling.identity import Scopes  # commands that only ask an agent would wait for it

            scopes = Scopes(own=own, learn_local=learn_local)
        self._scopes = scopes

    def learn(self, addresses: Iterable[str]) -> None:
        """These are local ends of flows."""
        for address in addresses:
            self._scopes.seen_locally(address)

    def is_local(self, address: str) -> bool:
        """Whether the address is one of this host, or means it."""
        return self._scopes.place(address).scope in INSIDE

    def scope(self, address: str) -> str:
        """Class of an address, as in FlowLabels; "" for none."""
        return self._scopes.place(address).scope if address else ""

    def network(self, address: str) -> str:
        """Label of the configured network that an address is in, or ""."""
        return self._scopes.place(address).network

    def sees_outside(self, flow: FlowLabels) -> bool:
        """Whether the flow leads from this host to a destination outside it."""
        return flow.outside
