"""Runs in a guest: the tests of the loader, against the guest's kernel."""

import os
import sys

import pytest

if __name__ == "__main__":
    sys.path.insert(0, "/repo/tests")
    os.chdir("/repo")
    options = [
        "-q",
        "--color=no",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-o",
        "markers=root",
    ]
    # Left out: what calls programs that are not in the guest, or needs a minute since boot.
    absent = ("in_sight", "own_part", "without_privilege", "json", "after_a_minute")
    sys.exit(pytest.main([*options, "tests/kernel", "-k", " and ".join(f"not {name}" for name in absent)]))
