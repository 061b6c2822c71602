"""What `make setup` says where it cannot go on."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SETUP = ROOT / "tools/setup"


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SETUP / "setup.sh", "run"], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def program(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_old_python(tmp_path: Path) -> None:
    old = program(tmp_path, "python3", '[ "$1" = -V ] && echo Python 3.9.2\nexit 1')

    done = run(PYTHON=str(old))

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "is Python 3.9.2" in done.stderr
    assert "apt-get install python3.11" in done.stderr


def test_no_python() -> None:
    done = run(PYTHON="no-such-python")

    assert done.returncode == 1
    assert "no-such-python is missing" in done.stderr


def test_no_root(tmp_path: Path) -> None:
    """A package is missing, and whoever runs make may not install it."""
    program(tmp_path, "id", "echo 1000")
    program(tmp_path, "dpkg-query", "exit 1")
    program(tmp_path, "apt-get", "echo must not be called; exit 99")

    done = run(PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert done.returncode == 1
    assert "needs root" in done.stderr
    assert "ca-certificates" in done.stdout


def test_no_network(tmp_path: Path) -> None:
    program(tmp_path, "id", "echo 0")
    program(tmp_path, "dpkg-query", "exit 1")
    program(tmp_path, "apt-cache", "echo found")
    program(
        tmp_path, "apt-get", 'case "$*" in *install*) echo "Could not resolve the mirror"; exit 100;; esac; exit 100'
    )

    done = run(PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert done.returncode == 1
    assert "apt-get could not install them. Is there a network?" in done.stderr
    assert "Could not resolve the mirror" in done.stderr


def test_every_dependency_is_pinned() -> None:
    """Names without a version in pyproject.toml have one, and only one, in the constraints."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {name.split(">")[0].split("[")[0].replace("-", "_").lower() for name in wanted} - {"kindling"}

    lines = [line for line in (SETUP / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pinned = [line.split("==")[0].replace("-", "_").lower() for line in lines]

    assert all("==" in line for line in lines)
    assert len(set(pinned)) == len(pinned)
    assert names <= set(pinned)


@pytest.mark.parametrize("name", ["debian-run.txt", "debian-test.txt"])
def test_package_lists_are_sorted(name: str) -> None:
    lines = [line for line in (SETUP / name).read_text().splitlines() if line[0] not in "#@"]

    assert lines == sorted(set(lines))
