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
    # The last test calls programs that are not in the guest.
    sys.exit(pytest.main([*options, "tests/kernel", "-k", "not hidden_mounts"]))
