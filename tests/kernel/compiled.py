"""Compiles small BPF programs for tests, and runs them on made-up packets."""

from __future__ import annotations

import ctypes
import struct
import subprocess
import sys
from pathlib import Path

import ziglang

from kindling.capture.bpf import syscall

HERE = Path(__file__).parent
HEADERS = Path(ziglang.__file__).parent / "lib/libc/include"
TEST_RUN = 10


def compile_probe(source: str, target_folder: Path, folder: Path = HERE) -> bytes:
    """Compile a file (of this folder) as the probe is compiled."""
    target = target_folder / f"{source}.o"
    flags = ["-target", "bpfel-freestanding", "-mcpu=v2", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    for name in ("any-linux-any", "x86-linux-any"):
        flags += ["-isystem", str(HEADERS / name)]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *flags, "-c", folder / source, "-o", target], check=True)
    return target.read_bytes()


def run_on_packet(program: int, packet: bytes, repeat: int = 1) -> int:
    """Run a program of kind cgroup_skb on an Ethernet frame, and return what it returned."""
    content = ctypes.create_string_buffer(packet, len(packet))
    packed = syscall.attributes(
        struct.pack("<4IQQII", program, 0, len(packet), 0, ctypes.addressof(content), 0, repeat, 0)
    )
    syscall.check(syscall.bpf(TEST_RUN, packed))
    value: int = struct.unpack_from("<I", packed, 4)[0]
    return value


def frame(payload: bytes) -> bytes:
    """Return an Ethernet frame with an IPv4 head and the payload."""
    head = bytes([0x45, 0]) + struct.pack(">H", 20 + len(payload)) + bytes(5) + bytes([17]) + bytes(10)
    return bytes(12) + b"\x08\x00" + head + payload
