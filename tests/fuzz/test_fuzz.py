"""A minute of fuzzing on the kept corpus: the capture reader with the engine behind it, and each dissector."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "fuzz" / "run.py"
SECONDS = 60


@pytest.mark.fuzz
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not any(map(shutil.which, ("clang", "clang-14", "clang-16", "clang-19"))), reason="clang is missing"
)
def test_a_minute() -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--total", str(SECONDS)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
