"""What is left of root, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kindling.agent.privileges import NEEDED

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root gives up what others never had")

SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from kindling.agent.privileges import keep_only_needed
from kindling.errors import SettingError
try:
    print(*keep_only_needed(Path(sys.argv[1])))
except SettingError as error:
    print("refused:", error.message)
print(Path("/proc/self/status").read_text())
print(subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout)
try:
    os.chown(sys.argv[1], 1, 1)
except PermissionError:
    print("cannot chown")
"""


def run(folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_only_what_is_needed(tmp_path: Path) -> None:
    said = run(tmp_path)
    wanted = sum(1 << each for each in NEEDED)
    assert said.splitlines()[0] == "sys_ptrace bpf"
    for kind in ("CapPrm", "CapEff", "CapBnd"):  # of the process, and of what it executes
        assert said.count(f"{kind}:\t{wanted:016x}") == 2
    assert said.count(f"CapInh:\t{0:016x}") == said.count(f"CapAmb:\t{0:016x}") == 2
    assert said.count("NoNewPrivs:\t1") == 2
    assert said.endswith("cannot chown\n")


def test_a_data_directory_that_is_not_ours(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    tmp_path.chmod(0o700)
    assert run(tmp_path).startswith("refused: The data directory")
