"""Alerts as lines of JSON in a file or on standard output."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from kindling.alerts.alert import json_line
from kindling.config.alerts import STDOUT

if TYPE_CHECKING:
    from kindling.alerts.alert import Alert
    from kindling.alerts.courier import Say
    from kindling.config import AlertLines

#: Lines in one write.
_BATCH = 100
_STDOUT_FD = 1


class LineSink:
    """Appends whole lines. logrotate moves the file away and sends SIGHUP."""

    batch = _BATCH

    def __init__(self, settings: AlertLines, node: str, say: Say) -> None:
        self._path: Path = settings.path
        self._node = node
        self._say = say
        self._fd = -1
        self._failing = False

    def deliver(self, alerts: list[Alert], stop: threading.Event) -> bool:
        """Once: a full disk is not waited for."""
        del stop
        try:
            self._write(b"".join([json_line(alert, self._node) for alert in alerts]))
        except OSError as error:
            self.reopen()
            if not self._failing:
                self._failing = True
                self._say(f"alerts cannot be written to {self._path}: {error.strerror}; they are dropped")
            return False
        if self._failing:
            self._failing = False
            self._say(f"alerts are written to {self._path} again")
        return True

    def reopen(self) -> None:
        """The next line opens the file anew."""
        if self._fd >= 0 and self._fd != _STDOUT_FD:
            os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        self.reopen()

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            self._fd = _STDOUT_FD if self._path == STDOUT else _open(self._path)
        while data:
            data = data[os.write(self._fd, data) :]


def _open(path: Path) -> int:
    """Readable by its owner's group, as logs are."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
    return os.open(path, flags, 0o640)
