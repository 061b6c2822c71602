"""Which folders `kindling uninstall` cleans; that it does is tested live."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kindling.agent import uninstall as removing
from kindling.cli.main import run

Folders = tuple[Path, Path, Path | None]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Folders]:
    """What it was told to clean, instead of doing so: these may be folders of an agent that runs here."""
    calls: list[Folders] = []

    def uninstall(pins: Path, state: Path, data: Path | None) -> list[str]:
        calls.append((pins, state, data))
        return []

    monkeypatch.setattr(removing, "uninstall", uninstall)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return calls


def test_the_usual_folders(asked: list[Folders], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["uninstall"]) == 0
    assert asked == [(Path("/sys/fs/bpf/kindling"), Path("/run/kindling"), None)]
    assert capsys.readouterr().out == "kindling: nothing was there\n"


def test_folders_as_the_agent_was_told(asked: list[Folders], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kindling.yaml"
    file.write_text("data: /var/lib/file\npersistence: {pins: /sys/fs/bpf/file, state: /run/file}\n")
    monkeypatch.setenv("KINDLING_PERSISTENCE_PINS", "/sys/fs/bpf/variable")
    assert run(["uninstall", "--data", "--config", str(file), "--state", "/run/flag"]) == 0
    assert asked == [(Path("/sys/fs/bpf/variable"), Path("/run/flag"), Path("/var/lib/file"))]


def test_only_root(asked: list[Folders], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run(["uninstall"]) == 3
    assert "Only root" in capsys.readouterr().err
    assert not asked
