"""Programs of a few instructions (Documentation/bpf/standardization/instruction-set.rst)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final


class Helper(IntEnum):
    """enum bpf_func_id of include/uapi/linux/bpf.h."""

    TAIL_CALL = 12
    PID_TGID = 14
    COMM = 16
    CB_FLAGS = 59
    CGROUP_ID = 80
    FULLSOCK = 95
    TCP_SOCK = 96
    STORAGE_GET = 107
    NETNS_COOKIE = 122
    RESERVE = 131
    DISCARD = 133


# Offsets within contexts: struct __sk_buff and struct bpf_sock_ops of include/uapi/linux/bpf.h.
SKB_DATA: Final = 76
SKB_END: Final = 80
SKB_SK: Final = 168
OPS_SK: Final = 184


def op(code: int, to: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | to, offset, number)


def put(register: int, number: int) -> bytes:
    return op(0xB7, register, number=number)


def copy(to: int, source: int) -> bytes:
    return op(0xBF, to, source)


def load32(to: int, source: int, offset: int) -> bytes:
    return op(0x61, to, source, offset)


def load64(to: int, source: int, offset: int) -> bytes:
    return op(0x79, to, source, offset)


def load_map(to: int, fd: int) -> bytes:
    return op(0x18, to, 1, number=fd) + op(0)


def call(helper: int) -> bytes:
    return op(0x85, number=helper)


def unless_zero(register: int, body: bytes) -> bytes:
    """Run the body only when the register is not zero."""
    return op(0x15, register, offset=len(body) // 8) + body


PASS: Final = put(0, 1) + op(0x95)
"""return 1: what a program has to say to let a packet or a call pass."""
