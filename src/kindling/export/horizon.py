"""Which destinations lie outside this host.

Outside is what is neither loopback, nor unspecified, nor an address of this host. Addresses of this
host are those of its interfaces and those its sockets were seen to use: the latter covers the addresses of
containers, in whatever network namespace they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from kindling.model import FlowLabels


class Horizon:
    """Remembers the answer for each address; `learn` more of the host's own at any time."""

    def __init__(self, own: Iterable[str] = (), *, learn_local: bool = True) -> None:
        """`learn_local`: local ends of flows are this host's. Not so in a capture file, whose
        packets show both ends.
        """
        self._own = set(own)
        self._inside: dict[str, bool] = {}
        self._learn_local = learn_local

    def learn(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            if address and address not in self._own:
                self._own.add(address)
                self._inside[address] = True

    def is_local(self, address: str) -> bool:
        """Whether the address is one of this host, or means it."""
        inside = self._inside.get(address)
        if inside is None:
            if len(self._inside) > 100_000:
                self._inside.clear()
            inside = self._inside[address] = address in self._own or _means_self(address)
        return inside

    def sees_outside(self, flow: FlowLabels) -> bool:
        """Whether the flow leads from this host to a destination outside it."""
        if self._learn_local and flow.local_ip not in self._own:
            self.learn((flow.local_ip,))
        return flow.role == "client" and not self.is_local(flow.remote_ip)


def _means_self(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return True  # no address at all: the flow "other"
    return ip.is_loopback or ip.is_unspecified
