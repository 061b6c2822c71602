"""Writes cpio archives ("newc") as the kernel reads them for an initramfs: see
Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. Archives may be put one after another.
"""

import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO


class Archive:
    """An archive under way; folders are entered as they are needed."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._names: set[str] = set()

    def add(self, name: str, content: bytes, *, executable: bool = False) -> None:
        """Add a file; name is absolute in the guest."""
        self._enter(name, stat.S_IFREG | (0o755 if executable else 0o644), content)

    def add_file(self, name: str, source: Path) -> None:
        """Add a copy of a file of this machine; links are followed."""
        executable = bool(source.stat().st_mode & 0o111)
        self.add(name, source.read_bytes(), executable=executable)

    def add_link(self, name: str, target: str) -> None:
        self._enter(name, stat.S_IFLNK | 0o777, target.encode())

    def add_folder(self, name: str) -> None:
        self._enter(name, stat.S_IFDIR | 0o755, b"")

    def close(self) -> None:
        self._write("TRAILER!!!", 0, b"")

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def _enter(self, name: str, mode: int, content: bytes) -> None:
        if name in self._names:
            return
        parent = str(PurePosixPath(name).parent)
        if parent != "/":
            self.add_folder(parent)
        self._names.add(name)
        self._write(name.lstrip("/"), mode, content)

    def _write(self, name: str, mode: int, content: bytes) -> None:
        raw = name.encode() + b"\0"
        fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self._out.write(header + raw + bytes(-(len(header) + len(raw)) % 4))
        self._out.write(content + bytes(-len(content) % 4))
