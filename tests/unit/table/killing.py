"""A collector that can be killed between any two things it does, and started again over the same tables and file."""

from __future__ import annotations

import weakref
from pathlib import Path

from kindling.config import Settings
from kindling.table import Collector
from kindling.table.journal import FileJournal
from kindling.table.owners import Identify
from kindling.table.recovered import NothingSavedError, recover
from unit.table.probe import Probe

BOOT = "this boot"


class KilledError(BaseException):
    """SIGKILL: nothing catches it."""


class Sword:
    """Kills at the n-th step from now on."""

    def __init__(self) -> None:
        self.left = -1
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        if self.left == 0:
            self.left = -1
            raise KilledError
        if self.left > 0:
            self.left -= 1


class FragileJournal(FileJournal):
    """Every write may be cut in the middle."""

    def __init__(self, path: Path, sword: Sword) -> None:
        super().__init__(path)
        self._sword = sword

    def _append(self, frame: bytes) -> None:
        self._sword.step()
        middle = len(frame) // 2
        written = self._size
        super()._append(frame[:middle])
        self._sword.step()
        super()._append(frame[middle:])
        assert self._size == written + len(frame)
        self._sword.step()


def _close(journals: list[FileJournal]) -> None:
    """As the kernel does for a process that is gone."""
    while journals:
        journals.pop().close()


class Life:
    """One process after the other."""

    def __init__(self, probe: Probe, folder: Path, sword: Sword, settings: Settings, identify: Identify) -> None:
        self.probe = probe
        self.sword = sword
        self.starts = 0
        self._path = folder / "journal"
        self._settings = settings
        self._identify = identify
        self._journals: list[FileJournal] = []
        weakref.finalize(self, _close, self._journals)
        self.collector = self.start()

    def start(self, boot: str = BOOT) -> Collector:
        """A new process; it may be killed while it starts, too."""
        while True:
            try:
                self.collector = self._start(boot)
            except KilledError:
                continue
            return self.collector

    def _start(self, boot: str) -> Collector:
        self.starts += 1
        _close(self._journals)
        journal = FragileJournal(self._path, self.sword)
        self._journals.append(journal)
        collector = Collector(
            self.probe, self._settings, self._identify, clock=lambda: self.probe.clock_ns / 1e9, journal=journal
        )
        try:
            saved = recover(journal, boot)
        except NothingSavedError:
            saved = None
        collector.begin(self.probe, boot, saved)
        return collector

    def tick(self) -> bool:
        """Whether it was killed in it; then another one runs."""
        try:
            self.collector.tick()
        except KilledError:
            self.start()
            return True
        return False
