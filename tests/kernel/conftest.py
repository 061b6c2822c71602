from pathlib import Path

import pytest

from kernel.compiled import compile_probe
from kindling.capture.bpf.loader import raise_memlock


@pytest.fixture(scope="session", autouse=True)
def locked_memory() -> None:
    """Tests that make maps by themselves meet the limit that the loader lifts."""
    raise_memlock()


@pytest.fixture(scope="session")
def every_map(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The object compiled from every_map.bpf.c."""
    return compile_probe("every_map.bpf.c", Path(tmp_path_factory.mktemp("bpf")))
