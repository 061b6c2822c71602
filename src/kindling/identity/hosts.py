"""Names of addresses from /etc/hosts (hosts(5)) and the settings."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from kindling.config import NameSettings, StaticName
from kindling.model.printable import printable
from kindling.wire.address import parsed, unmapped

#: A file larger than that is a list of what to block, not of names.
_MAX_BYTES: Final = 1 << 20
_NAME_MAX: Final = 255


class StaticNames:
    """Read again when the file has changed."""

    def __init__(self, settings: NameSettings | None = None, path: Path = Path("/etc/hosts")) -> None:
        settings = settings or NameSettings()
        self._configured = _of_settings(settings.static)
        self._hosts = path
        self._path = path if settings.hosts else None
        self._stamp: tuple[int, int, int] | None = None
        self._names = dict(self._configured)
        self._changed: set[str] = set()
        self.read()

    def read(self) -> None:
        """Looks at the file."""
        if self._path is None:
            return
        try:
            found = self._path.stat()
        except OSError:
            stamp, known = None, {}
        else:
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            known = parse_hosts(self._text(found.st_size))
        before = self._names
        self._stamp = stamp
        self._names = known | self._configured
        self._changed |= {
            address for address in before.keys() | self._names if before.get(address) != self._names.get(address)
        }

    def reconfigure(self, settings: NameSettings) -> None:
        """Other names in the settings; the file is read again, or no more."""
        before = self._names
        self._configured = _of_settings(settings.static)
        self._path = self._hosts if settings.hosts else None
        self._stamp = None
        self._names = dict(self._configured)
        self.read()
        self._changed |= {a for a in before.keys() | self._names if before.get(a) != self._names.get(a)}

    def take_changed(self) -> set[str]:
        """Addresses whose name is another one, since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def name(self, address: str) -> str:
        """Of the settings, else of the file; "" for none."""
        return self._names.get(address, "")

    def __len__(self) -> int:
        return len(self._names)

    def _text(self, size: int) -> str:
        if self._path is None or size > _MAX_BYTES:
            return ""
        try:
            return self._path.read_text(encoding="utf-8", errors="backslashreplace")
        except OSError:
            return ""


def parse_hosts(text: str) -> dict[str, str]:
    """Address to the first name that any line gives it. Loopback and unspecified addresses are left out:
    their names are "localhost", or those of sites that somebody blocks.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        address = _address(words[0])
        name = printable(words[1].lower().removesuffix("."))
        if address and name and len(name) <= _NAME_MAX:
            found.setdefault(address, name)
    return found


def _of_settings(names: Iterable[StaticName]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in names:
        for text in each.addresses:
            found.setdefault(str(ip_address(text)), each.name.lower().removesuffix("."))
    return found


def _address(text: str) -> str:
    """As rows show it; "" for what is none, or names this host itself."""
    found = parsed(text)
    if found is None:
        return ""
    ip = unmapped(found)
    return "" if ip.is_loopback or ip.is_unspecified else str(ip)
