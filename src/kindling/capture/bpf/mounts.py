"""Mounts of the kernel's own file systems that hang in no tree: nobody else sees them, nothing is left behind."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

# The same on every architecture, since 5.2: arch/*/kernel/syscalls.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CONFIG_CREATE: Final = 6
_CLOEXEC: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)


def open_detached(kind: str) -> int:
    """Mount a file system (cgroup2, tracefs) and return a descriptor of its root; it goes with the descriptor."""
    context = _call(_FSOPEN, ctypes.c_char_p(kind.encode()), ctypes.c_uint(_CLOEXEC))
    try:
        _call(_FSCONFIG, ctypes.c_int(context), ctypes.c_uint(_CONFIG_CREATE), None, None, ctypes.c_int(0))
        mount = _call(_FSMOUNT, ctypes.c_int(context), ctypes.c_uint(_CLOEXEC), ctypes.c_uint(0))
    finally:
        os.close(context)
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount)
    finally:
        os.close(mount)


def enter_namespace(path: str, kind: int) -> None:
    """Move the calling thread into a namespace."""
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(namespace, kind):
            _fail()
    finally:
        os.close(namespace)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        _fail()
    return result


def _fail() -> None:
    number = ctypes.get_errno() or errno.ENOSYS
    raise OSError(number, os.strerror(number))
