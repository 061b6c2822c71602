"""Headers that users want sent, some of them from a file."""

from __future__ import annotations

from pathlib import Path

from kindling.config import NO_FILE, Otlp, parse_header
from kindling.errors import SettingError

Headers = tuple[tuple[str, str], ...]


class HeaderSource:
    """Reads the file again when it changed: secrets are rotated."""

    def __init__(self, settings: Otlp) -> None:
        """Raises SettingError."""
        self._fixed: Headers = tuple(parse_header(line) for line in settings.headers)
        self._file = settings.headers_file
        self._stamp: tuple[int, int, int] | None = None
        self._read: Headers = ()
        if self._file != NO_FILE:
            self._load()

    def get(self) -> Headers:
        """While the file is missing or at fault, those it had before."""
        if self._file != NO_FILE:
            try:
                self._load()
            except SettingError:
                return self._fixed + self._read
        return self._fixed + self._read

    def _load(self) -> None:
        try:
            stat = self._file.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if stamp == self._stamp:
                return
            self._read = _parse(self._file)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"The headers in {self._file} cannot be read: {error}.") from None
        self._stamp = stamp


def _parse(path: Path) -> Headers:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(parse_header(line) for line in lines if line and not line.startswith("#"))
