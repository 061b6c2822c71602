import os
from pathlib import Path

import pytest

from kindling.capture.bpf import cgroup
from kindling.errors import UnsupportedError


def mounts(tmp_path: Path, *folders: str) -> Path:
    table = tmp_path / "mountinfo"
    lines = ["25 1 8:1 / / rw - ext4 /dev/root rw", "26 25 0:22 / /cgroup1 rw shared:1 - cgroup none rw,cpu"]
    lines += [f"30 25 0:26 / {folder} rw,nosuid shared:4 - cgroup2 cgroup2 rw" for folder in folders]
    table.write_text("\n".join(lines) + "\n")
    return table


def test_mounts_are_opened_below_the_given_root(tmp_path: Path) -> None:
    for name in ("unified", "with blank", "größe"):
        (tmp_path / name).mkdir()
    table = mounts(tmp_path, "/unified", r"/with\040blank", "/größe", "/gone")
    opened = list(cgroup._open_mounts(table, tmp_path))
    try:
        inodes = [os.fstat(fd).st_ino for fd in opened]
    finally:
        for fd in opened:
            os.close(fd)
    assert inodes == [(tmp_path / name).stat().st_ino for name in ("unified", "with blank", "größe")]


def test_without_the_true_root_the_reasons_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def part() -> list[int]:
        return [os.open(tmp_path, os.O_RDONLY)]

    def refuse() -> list[int]:
        """A mount of our own."""
        raise OSError(1, "Operation not permitted")

    for name in ("_mounted", "_mounted_for_init"):
        monkeypatch.setattr(cgroup, name, part)
    for name in ("_mount", "_mount_as_init"):
        monkeypatch.setattr(cgroup, name, refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UnsupportedError, match="A mount of our own: Operation not permitted") as caught:
        cgroup.open_root()
    assert "--pid=host" in caught.value.hint
