"""A small compiled object, for all that reads objects."""

from pathlib import Path

import pytest

from kernel.compiled import compile_probe
from kindling.wire import elf
from kindling.wire.btf import Btf


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The object compiled from tests/kernel/every_map.bpf.c."""
    return compile_probe("every_map.bpf.c", Path(tmp_path_factory.mktemp("bpf")))


@pytest.fixture(scope="session")
def types(image: bytes) -> bytes:
    """Its BTF."""
    section = elf.parse(image).section(".BTF")
    assert section
    return section.data


@pytest.fixture(scope="session")
def btf(types: bytes) -> Btf:
    return Btf(types)
