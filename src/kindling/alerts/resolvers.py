"""DNS servers that this host is told to use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from kindling.alerts.allow import Networks, within
from kindling.wire.address import parsed

#: The second holds the servers that systemd-resolved asks; the first then names only its stub, 127.0.0.53.
RESOLV_CONFS: Final = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_LARGEST: Final = 64 << 10
_LOOK_SECONDS: Final = 30.0


class Resolvers:
    """Those of the settings; without any, those of resolv.conf as it is now."""

    def __init__(
        self,
        configured: Iterable[str] = (),
        files: Iterable[Path] = RESOLV_CONFS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configured: Networks = tuple([ip_network(text) for text in configured])
        self._files = tuple(files)
        self._clock = clock
        self._looked = float("-inf")
        self._found: Networks = ()

    def __contains__(self, address: str) -> bool:
        return within(address, self._configured or self._of_files())

    @property
    def known(self) -> bool:
        """Whether any is known. If not, none is a foreign one."""
        return bool(self._configured or self._of_files())

    def _of_files(self) -> Networks:
        now = self._clock()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._found = tuple([ip_network(each) for file in self._files for each in _read(file)])
        return self._found


def nameservers(text: str) -> list[str]:
    """Addresses of the lines `nameserver` (resolv.conf(5))."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and (address := parsed(words[1])):
            found.append(str(address))
    return found


def _read(file: Path) -> list[str]:
    try:
        with file.open(encoding="ascii", errors="replace") as opened:
            return nameservers(opened.read(_LARGEST))
    except OSError:
        return []
