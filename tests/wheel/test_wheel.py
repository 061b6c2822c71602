"""The wheel as a user gets it: installed by pip where there is no compiler, no checkout and no kernel headers."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ("kindling/_probe/kindling.bpf.o", "kindling/_native/libkindling.so")

pytestmark = pytest.mark.slow


def pip_wheel(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    return subprocess.run([*command, "--wheel-dir", out, source], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = [name for name in ARTEFACTS if not (ROOT / "src" / name).exists()]
    if missing:
        pytest.skip(f"not built: {', '.join(missing)}; make build")
    out = tmp_path_factory.mktemp("wheel")
    done = pip_wheel(ROOT, out)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of a fresh environment that has the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    constraints = ROOT / "tools/setup/constraints.txt"
    done = subprocess.run([*pip, "-c", constraints, wheel], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def kindling(installed: Path, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/nowhere", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    command = [installed / "kindling", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_carries_what_was_built(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert set(ARTEFACTS) <= set(names)
    assert "kindling/py.typed" in names
    assert wheel.name.endswith(f"-py3-none-manylinux2014_{os.uname().machine}.whl")


def test_licences_travel_along(wheel: Path) -> None:
    names = "\n".join(zipfile.ZipFile(wheel).namelist())

    assert "licenses/LICENSE" in names
    assert "LICENSE.GPL-2.0" in names
    assert "LICENSE.BSD-2-Clause" in names


def test_library_needs_an_old_glibc_only(wheel: Path, tmp_path: Path) -> None:
    library = zipfile.ZipFile(wheel).read("kindling/_native/libkindling.so")

    wanted = {word for word in library.split(b"\0") if word.startswith(b"GLIBC_2.")}

    assert wanted
    assert max(int(word.split(b".")[1]) for word in wanted) <= 17


@pytest.mark.parametrize("missing", ARTEFACTS)
def test_nothing_is_packed_without_what_was_built(missing: str, tmp_path: Path) -> None:
    for name in ("src", "bpf", "tools/setup"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ARTEFACTS:
        (tmp_path / "src" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "src" / name).write_bytes(b"x")
    (tmp_path / "src" / missing).unlink()

    done = pip_wheel(tmp_path, tmp_path / "dist")

    assert done.returncode != 0
    assert f"not built: src/{missing}" in done.stderr


def test_help(installed: Path, tmp_path: Path) -> None:
    done = kindling(installed, "--help", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "agent" in done.stdout
    assert "replay" in done.stdout


def test_replay(installed: Path, tmp_path: Path) -> None:
    capture = ROOT / "tests/captures/http_get.pcap"

    done = kindling(installed, "replay", "--output", "json", capture, folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_probe_is_found(installed: Path, tmp_path: Path) -> None:
    """`kindling check` may find the kernel wanting, but never the wheel."""
    done = kindling(installed, "check", folder=tmp_path)

    assert done.returncode in {0, 3, 4}, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_agent(installed: Path, tmp_path: Path) -> None:
    """The agent counts from the installed wheel, and says good-bye on SIGINT."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {"PATH": "/nowhere", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    command: list[str | Path] = [
        installed / "kindling",
        "agent",
        "--quiet",
        "--listen",
        listen,
        "--data",
        tmp_path / "data",
    ]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as agent:
        try:
            metrics = fetch(f"http://{listen}/metrics", agent)
        finally:
            agent.send_signal(signal.SIGINT)
        _, said = agent.communicate(timeout=30)

    assert "kindling_" in metrics, said
    assert agent.returncode == 0, said


def fetch(url: str, agent: subprocess.Popen[str]) -> str:
    """Ask until the agent answers."""
    end = time.monotonic() + 30
    while time.monotonic() < end and agent.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.1)
    return ""
