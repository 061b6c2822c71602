"""As much of io_uring as sends and receives: the kernel's own interface (io_uring_setup(2)), one request at a time."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from types import TracebackType
from typing import Self

_SETUP, _ENTER = 425, 426
_SQ_RING, _SQES = 0, 0x10000000
_SINGLE_MMAP = 1
_GETEVENTS = 1
_ENTRIES = 8
_SQE = struct.Struct("<BBHiQQIIQ24x")
_CQE = struct.Struct("<QiI")
SEND, RECV = 26, 27
_LIBC = ctypes.CDLL(None, use_errno=True)


class Ring:
    """Raises OSError where the kernel has none, or forbids it."""

    def __init__(self) -> None:
        parameters = ctypes.create_string_buffer(120)
        self._fd = _LIBC.syscall(_SETUP, _ENTRIES, parameters)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "io_uring_setup")
        words = struct.unpack("<30I", parameters)
        self._sq, self._cq, features = words[10:17], words[20:27], words[5]
        if not features & _SINGLE_MMAP:
            raise OSError("this kernel maps its rings apart")
        size = max(self._sq[6] + words[0] * 4, self._cq[5] + words[1] * _CQE.size)
        self._ring = mmap.mmap(self._fd, size, offset=_SQ_RING)
        self._sqes = mmap.mmap(self._fd, words[0] * 64, offset=_SQES)

    def call(self, what: int, descriptor: int, data: bytearray) -> int:
        """Send, or receive into, a buffer; returns how many bytes."""
        address = ctypes.addressof((ctypes.c_char * len(data)).from_buffer(data))
        tail, mask = self._word(self._sq[1]), self._word(self._sq[2])
        _SQE.pack_into(self._sqes, (tail & mask) * 64, what, 0, 0, descriptor, 0, address, len(data), 0, 0)
        struct.pack_into("<I", self._ring, self._sq[6] + 4 * (tail & mask), tail & mask)
        struct.pack_into("<I", self._ring, self._sq[1], tail + 1)
        if _LIBC.syscall(_ENTER, self._fd, 1, 1, _GETEVENTS, None, 0) < 0:
            raise OSError(ctypes.get_errno(), "io_uring_enter")
        head = self._word(self._cq[0])
        _, result, _ = _CQE.unpack_from(self._ring, self._cq[5] + (head & self._word(self._cq[2])) * _CQE.size)
        struct.pack_into("<I", self._ring, self._cq[0], head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return int(result)

    def _word(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self._ring, offset)[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ring.close()
        self._sqes.close()
        os.close(self._fd)
