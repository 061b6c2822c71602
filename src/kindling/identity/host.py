"""What this host knows of addresses: which are its own, which networks are configured, what /etc/hosts says."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kindling.config import NameSettings
from kindling.identity.addresses import addresses_in, own_addresses
from kindling.identity.hosts import StaticNames
from kindling.identity.proc import PROC, host_root
from kindling.identity.scope import Scopes

#: All namespaces are looked through so often.
EVERY_SECONDS: Final = 60.0

_NAMESPACES: Final = 4_096


class Host:
    """Reads again what changes: with time, and when a network namespace turns up that is new."""

    def __init__(
        self,
        settings: NameSettings,
        *,
        proc: Path = PROC,
        hosts: Path | None = None,
        addresses: Callable[[], set[str]] = own_addresses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scopes = Scopes(settings.networks, addresses(), learn_local=True)
        self.static = StaticNames(settings, hosts or host_root(proc) / "etc/hosts")
        self._proc = proc
        self._addresses = addresses
        self._clock = clock
        self._read_at = clock()
        self._namespaces: OrderedDict[int, None] = OrderedDict()
        self._read_node()

    def reconfigure(self, settings: NameSettings) -> None:
        """Other networks and static names, from now on."""
        self.scopes.reconfigure(settings.networks)
        self.static.reconfigure(settings)

    def refresh(self) -> None:
        """To be called often; works once a minute."""
        if self._clock() - self._read_at >= EVERY_SECONDS:
            self._read_at = self._clock()
            self.scopes.update(self._addresses())
            self._read_node()
            self.static.read()

    def _read_node(self) -> None:
        """From within a pod, too, that shares the host's process numbers: init is on the host's network."""
        self.scopes.update_node(addresses_in(self._proc / "1" / "net"))

    def met(self, netns: int, pid: int) -> None:
        """A process opened a socket in a network namespace (its cookie): the addresses of a new one are found at
        once, before anybody else there is reached.
        """
        if netns in self._namespaces:
            return
        self._namespaces[netns] = None
        if len(self._namespaces) > _NAMESPACES:
            self._namespaces.popitem(last=False)
        self.scopes.learn(addresses_in(self._proc / str(pid) / "net"))
