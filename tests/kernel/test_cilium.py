"""Maps laid out and pinned as Cilium's are, read as on a node that it balances."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from kindling.capture.bpf import cilium, syscall
from kindling.capture.bpf.syscall import MapType

pytestmark = pytest.mark.root

POD4, VIP4, OTHER4 = ("10.0.1.7", 8080), ("10.96.0.10", 80), ("10.96.0.11", 80)
POD6, VIP6 = ("fd00::7", 8080), ("fd01::10", 80)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(f"/sys/fs/bpf/kd_test_cilium_{os.getpid()}")
    made.mkdir()
    yield made
    for each in made.iterdir():
        each.unlink()
    made.rmdir()


def pinned(folder: Path, name: str, key_bytes: int, value_bytes: int, kind: int = MapType.LRU_HASH) -> int:
    fd = syscall.map_create(kind, key_bytes, value_bytes, 4_096)
    syscall.object_pin(fd, str(folder / name))
    return fd


def call(fd: int, cookie: int, backend: tuple[str, int], called: tuple[str, int], pad: int = 0) -> None:
    family = socket.AF_INET6 if ":" in backend[0] else socket.AF_INET
    packed = [socket.inet_pton(family, address) + struct.pack(">H", port) for address, port in (backend, called)]
    key = struct.pack("=Q", cookie) + packed[0] + bytes(2 + pad)
    syscall.map_update(fd, key, packed[1] + struct.pack("=H", 42) + bytes(pad))


def test_calls_of_both_families(folder: Path) -> None:
    four, six = pinned(folder, "cilium_lb4_reverse_sk", 16, 8), pinned(folder, "cilium_lb6_reverse_sk", 32, 24)
    for cookie in range(2_000):
        call(four, cookie, POD4, VIP4 if cookie else OTHER4)
        call(six, cookie, POD6, VIP6, pad=4)
    assert cilium.calls(folder) == {POD4: {VIP4, OTHER4}, POD6: {VIP6}}
    os.close(four)
    os.close(six)


def test_empty_maps(folder: Path) -> None:
    os.close(pinned(folder, "cilium_lb4_reverse_sk", 16, 8))
    assert cilium.calls(folder) == {}


def test_maps_of_another_make(folder: Path) -> None:
    for name, kind, value_bytes in (
        ("cilium_lb4_reverse_sk", MapType.HASH, 8),
        ("cilium_lb6_reverse_sk", MapType.LRU_HASH, 8),
    ):
        os.close(pinned(folder, name, 32, value_bytes, kind))
    assert cilium.calls(folder) == {}


def test_a_node_without_cilium(folder: Path) -> None:
    assert cilium.calls(folder) == cilium.calls(folder / "nothing") == {}
