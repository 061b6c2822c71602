"""What all tests share: which of them can run here, and why the others cannot."""

import os
import platform

import hypothesis
import pytest

# A minute of boot, of traffic or of fuzzing comes after everything that fails in seconds.
ORDER = ("vm", "fuzz", "slow")

# How long an example takes says more about the machine and what else it does than about the code.
hypothesis.settings.register_profile("kindling", deadline=None)
hypothesis.settings.load_profile("kindling")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0 or platform.system() != "Linux":
        reason = pytest.mark.skip(reason="needs root on Linux")
        for item in items:
            if any(item.get_closest_marker(name) for name in ("root", "live", "e2e")):
                item.add_marker(reason)
    items.sort(
        key=lambda item: max((ORDER.index(m.name) + 1 for m in item.iter_markers() if m.name in ORDER), default=0)
    )
