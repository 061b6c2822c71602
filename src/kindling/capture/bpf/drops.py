"""Packets that the kernel dropped, by its own reason: an optional extra (tracepoint skb:kfree_skb, since 5.17).

Its layout and the names of the reasons differ from kernel to kernel and are read from tracefs. Where it is not to
be had, that is said and nothing else changes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import re
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import numpy as np

from kindling.capture.bpf import loader
from kindling.capture.bpf.maps import SharedArray
from kindling.capture.bpf.mounts import open_detached
from kindling.capture.bpf.program import BpfObject
from kindling.capture.bpf.syscall import check
from kindling.errors import LayoutError, UnsupportedError

OBJECT: Final = "drops.bpf.o"
TRACEPOINT: Final = "events/skb/kfree_skb"
MOUNTS: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")

_PERF_EVENT_OPEN: Final = 298 if platform.machine() == "x86_64" else 241
_TYPE_TRACEPOINT: Final = 2
_SET_BPF: Final = 0x4004_2408
_ENABLE: Final = 0x2400
_CLOEXEC: Final = 8
_FIELD: Final = re.compile(r"field:[^;]*\breason;\s*offset:(\d+);\s*size:(\d+);")
_REASON: Final = re.compile(r'\{\s*(\d+|0x[0-9a-fA-F]+),\s*"(\w+)"\s*\}')

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Format:
    """What tracefs says of the tracepoint."""

    id: int
    reason_offset: int
    reasons: dict[int, str]
    """Names in lower case, by number."""


def parse_format(text: str, number: int) -> Format:
    """Read the text of a `format` file. Raises UnsupportedError where drops carry no reason."""
    field = _FIELD.search(text)
    if field is None or field[2] != "4":
        raise UnsupportedError("This kernel tells no reason when it drops a packet (5.17 and later do).", hint="")
    _, _, symbols = text.partition("print fmt:")
    reasons = {int(value, 0): name.lower() for value, name in _REASON.findall(symbols)}
    reasons.pop(next((value for value, name in reasons.items() if name == "max"), -1), None)
    return Format(number, int(field[1]), reasons)


def read_format() -> Format:
    """Read the tracepoint's description from tracefs, mounted or not."""
    for place in MOUNTS:
        try:
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            return _read_format(folder)
        except OSError:
            continue
        finally:
            os.close(folder)
    folder = open_detached("tracefs")
    try:
        return _read_format(folder)
    finally:
        os.close(folder)


def _read_format(folder: int) -> Format:
    return parse_format(_read(folder, f"{TRACEPOINT}/format"), int(_read(folder, f"{TRACEPOINT}/id")))


def _read(folder: int, path: str) -> str:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), encoding="utf-8") as file:
        return file.read()


class Drops:
    """Counts from its creation until it is closed. Raises KindlingError or OSError where it cannot."""

    def __init__(self, image: bytes) -> None:
        described = read_format()
        parsed = BpfObject.parse(image)
        parsed.constant("reason_offset")[...] = described.reason_offset
        spec = next(iter(parsed.programs.values()), None)
        if spec is None or "drops" not in parsed.maps:
            raise LayoutError("The object that counts drops is another one.", hint="`make build`.")
        self._reasons = described.reasons
        with ExitStack() as stack:
            loaded = loader.load(parsed)
            stack.callback(loaded.close)
            self._counts = SharedArray(loaded.maps["drops"], np.dtype([("n", "<u8")])).rows["n"]
            event = open_tracepoint(described.id)
            stack.callback(os.close, event)
            fcntl.ioctl(event, _SET_BPF, loaded.programs[spec.name])
            fcntl.ioctl(event, _ENABLE, 0)
            self._resources = stack.pop_all()

    def read(self) -> dict[str, int]:
        """Return the reasons that occurred, and how often."""
        seen = np.flatnonzero(self._counts).tolist()
        last = len(self._counts) - 1
        return {
            self._reasons.get(number, "other" if number == last else f"reason_{number}"): int(self._counts[number])
            for number in seen
        }

    def close(self) -> None:
        self._resources.close()


def open_tracepoint(number: int) -> int:
    """Open a perf event of a tracepoint; a program set on it runs on every processor.

    struct perf_event_attr of include/uapi/linux/perf_event.h, first version (64 bytes).
    """
    packed = struct.pack("<IIQQ", _TYPE_TRACEPOINT, 64, number, 1).ljust(64, b"\0")
    attributes = ctypes.create_string_buffer(packed, 64)
    result: int = _libc.syscall(
        ctypes.c_long(_PERF_EVENT_OPEN),
        attributes,
        ctypes.c_int(-1),
        ctypes.c_int(0),
        ctypes.c_int(-1),
        ctypes.c_ulong(_CLOEXEC),
    )
    return check(result if result >= 0 else -(ctypes.get_errno() or errno.EINVAL))
