"""SIGHUP: settings are read again, and those that can be changed are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kindling.config import Settings
from kindling.config.reload import changed, needing_restart
from kindling.errors import KindlingError

Say = Callable[[str], None]
Load = Callable[[], Settings]
Reconfigure = Callable[[Settings], None]


class Reloader:
    """`parts`: a setting or section of `config.reload.LIVE`, and what takes it. All are called, for a signal also
    opens files again.
    """

    def __init__(self, settings: Settings, load: Load, parts: Mapping[str, Reconfigure], say: Say) -> None:
        self._settings = settings
        self._load = load
        self._parts = parts
        self._say = say

    def reload(self) -> None:
        """Never fails: with a broken file everything stays as it was."""
        try:
            settings = self._load()
        except KindlingError as error:
            self._say(f"SIGHUP: the old settings stay, for the new ones cannot be used\n{error}")
            return
        names = changed(self._settings, settings)
        kept = [part for part, reconfigure in self._parts.items() if not self._try(part, reconfigure, settings)]
        later = needing_restart(names)
        now = [name for name in names if name not in later and not name.startswith(tuple(kept))]
        self._say(f"SIGHUP: changed: {', '.join(now) or 'nothing'}")
        if later:
            self._say(f"SIGHUP: a restart is needed for: {', '.join(later)}")
        if not kept:
            self._settings = settings

    def _try(self, part: str, reconfigure: Reconfigure, settings: Settings) -> bool:
        try:
            reconfigure(settings)
        except KindlingError as error:
            self._say(f"SIGHUP: {part} stays as it was: {error}")
            return False
        return True
