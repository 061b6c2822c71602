"""The system call bpf(2), one function for each command that is used; each raises OSError.

The attributes are laid out as in `union bpf_attr` of include/uapi/linux/bpf.h. A kernel takes any length whose
unknown rest is zero, so one buffer size serves all. Only little-endian machines: the object is one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from enum import IntEnum, IntFlag

ATTRIBUTE_BYTES = 128
NAME_BYTES = 15


class Command(IntEnum):
    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_LOAD = 5
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_ATTACH = 8
    PROG_DETACH = 9
    PROG_GET_FD_BY_ID = 13
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    MAP_LOOKUP_AND_DELETE_ELEM = 21
    MAP_FREEZE = 22
    MAP_LOOKUP_BATCH = 24
    MAP_DELETE_BATCH = 27
    LINK_CREATE = 28
    LINK_UPDATE = 29


class MapType(IntEnum):
    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    ARRAY_OF_MAPS = 12
    QUEUE = 22
    SK_STORAGE = 24
    RINGBUF = 27


class MapFlag(IntFlag):
    NO_PREALLOC = 1
    RDONLY_PROG = 1 << 7
    CLONE = 1 << 9
    MMAPABLE = 1 << 10


class ProgramType(IntEnum):
    SOCKET_FILTER = 1
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    SOCK_OPS = 13
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18


class AttachType(IntEnum):
    INGRESS = 0
    EGRESS = 1
    SOCK_CREATE = 2
    SOCK_OPS = 3
    CONNECT4 = 10
    CONNECT6 = 11
    SOCK_RELEASE = 34


class Update(IntEnum):
    ANY = 0
    NOEXIST = 1
    EXIST = 2


ALLOW_MULTI = 2
"""Attach flag: other programs at the same place stay, and so may ours when others come."""

_NUMBER = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280}.get(platform.machine(), 280)

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_ulong]


def bpf(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    """Make the call and return its result, or minus errno: an answer as good as any other for a lookup."""
    result: int = _syscall(_NUMBER, command, attributes, len(attributes))
    return result if result >= 0 else -ctypes.get_errno()


def attributes(packed: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(packed, max(len(packed), ATTRIBUTE_BYTES))


def _call(command: int, packed: bytes) -> int:
    return check(bpf(command, attributes(packed)))


def check(result: int) -> int:
    """Raise OSError for minus errno."""
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


# --- maps --------------------------------------------------------------------------------------


def map_create(
    kind: int,
    key_bytes: int,
    value_bytes: int,
    entries: int,
    flags: int = 0,
    *,
    name: str = "",
    inner: int = 0,
    types: tuple[int, int, int] = (0, 0, 0),
) -> int:
    """Create a map and return its descriptor. `types`: BTF descriptor, type of the key, type of the value."""
    return _call(
        Command.MAP_CREATE,
        struct.pack("<7I16s4I", kind, key_bytes, value_bytes, entries, flags, inner, 0, object_name(name), 0, *types),
    )


def map_update(fd: int, key: bytes | None, value: bytes, flags: int = Update.ANY) -> None:
    _call(Command.MAP_UPDATE_ELEM, struct.pack("<IxxxxQQQ", fd, _at(key), _at(value), flags))


def map_lookup(fd: int, key: bytes, value_bytes: int) -> bytes | None:
    value = ctypes.create_string_buffer(value_bytes)
    result = bpf(
        Command.MAP_LOOKUP_ELEM, attributes(struct.pack("<IxxxxQQQ", fd, _at(key), ctypes.addressof(value), 0))
    )
    if result == -errno.ENOENT:
        return None
    check(result)
    return value.raw


def map_freeze(fd: int) -> None:
    """No more changes from user space: the verifier takes the content for constant."""
    _call(Command.MAP_FREEZE, struct.pack("<I", fd))


# --- programs ------------------------------------------------------------------------------------


def program_load(
    kind: int,
    code: bytes,
    *,
    attach: int = 0,
    name: str = "",
    license_text: str = "Dual BSD/GPL",
    log: ctypes.Array[ctypes.c_char] | None = None,
    log_level: int = 0,
) -> int:
    """Verify and load a program, and return its descriptor. `log_level` 1 explains, 4 gives statistics."""
    license_bytes = license_text.encode() + b"\0"
    return _call(
        Command.PROG_LOAD,
        struct.pack(
            "<IIQQIIQII16sII",
            kind,
            len(code) // 8,
            _at(code),
            _at(license_bytes),
            log_level if log is not None else 0,
            len(log) if log is not None else 0,
            ctypes.addressof(log) if log is not None else 0,
            0,
            0,
            object_name(name),
            0,
            attach,
        ),
    )


def link_create(program: int, target: int, attach: int) -> int:
    return _call(Command.LINK_CREATE, struct.pack("<4I", program, target, attach, 0))


def raw_tracepoint_open(program: int, name: str) -> int:
    """Run a program at a tracepoint until what is returned is closed."""
    text = ctypes.create_string_buffer(name.encode())
    return _call(Command.RAW_TRACEPOINT_OPEN, struct.pack("<QI", ctypes.addressof(text), program))


def link_update(link: int, program: int) -> None:
    """Let another program run where a link has one: there is no moment at which none does."""
    _call(Command.LINK_UPDATE, struct.pack("<4I", link, program, 0, 0))


def program_attach(program: int, target: int, attach: int, flags: int = ALLOW_MULTI) -> None:
    _call(Command.PROG_ATTACH, struct.pack("<4I", target, program, attach, flags))


def program_detach(program: int, target: int, attach: int) -> None:
    _call(Command.PROG_DETACH, struct.pack("<4I", target, program, attach, 0))


def program_query(target: int, attach: int) -> list[int]:
    """Return the ids of the programs attached at a cgroup itself."""
    ids = (ctypes.c_uint32 * 64)()
    packed = attributes(struct.pack("<4IQI", target, attach, 0, 0, ctypes.addressof(ids), len(ids)))
    check(bpf(Command.PROG_QUERY, packed))
    (count,) = struct.unpack_from("<I", packed, 24)
    return list(ids[:count])


def program_by_id(number: int) -> int:
    return _call(Command.PROG_GET_FD_BY_ID, struct.pack("<I", number))


def program_name(fd: int) -> str:
    """Return the name a program was loaded under; offset of `name` in struct bpf_prog_info."""
    raw = object_info(fd, 80)
    return raw[64:80].partition(b"\0")[0].decode(errors="replace")


# --- any object ------------------------------------------------------------------------------------


def object_info(fd: int, size: int) -> bytes:
    """Return the first bytes of struct bpf_prog_info, bpf_map_info, bpf_link_info or bpf_btf_info."""
    info = ctypes.create_string_buffer(size)
    _call(Command.OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, size, ctypes.addressof(info)))
    return info.raw


def map_shape(fd: int) -> tuple[int, int, int, int]:
    """Return type of a map, bytes of key and value, entries; struct bpf_map_info."""
    kind, _, key_bytes, value_bytes, entries = struct.unpack_from("<5I", object_info(fd, 24))
    return kind, key_bytes, value_bytes, entries


def map_id(fd: int) -> int:
    """Return the number of a map; no other one has it as long as the kernel runs (nearly: it counts to 2^31)."""
    number: int = struct.unpack_from("<I", object_info(fd, 24), 4)[0]
    return number


def object_pin(fd: int, path: str) -> None:
    name = os.fsencode(path) + b"\0"
    _call(Command.OBJ_PIN, struct.pack("<QII", _at(name), fd, 0))


def object_get(path: str) -> int:
    name = os.fsencode(path) + b"\0"
    return _call(Command.OBJ_GET, struct.pack("<QII", _at(name), 0, 0))


def btf_load(types: bytes) -> int:
    return _call(Command.BTF_LOAD, struct.pack("<QQII", _at(types), 0, len(types), 0))


def object_name(text: str) -> bytes:
    """Letters, digits and underscores, at most 15: what every kernel takes as a name."""
    clean = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)
    return clean.strip("_").encode()[:NAME_BYTES]


def _at(content: bytes | None) -> int:
    """Return where bytes lie; the caller keeps them until the call is over."""
    return ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p).value or 0
