"""A small compiled object, for all that reads objects."""

from pathlib import Path

import pytest

from kernel.compiled import compile_probe


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The object compiled from tests/kernel/every_map.bpf.c."""
    return compile_probe("every_map.bpf.c", Path(tmp_path_factory.mktemp("bpf")))
