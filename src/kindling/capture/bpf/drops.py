"""Packets that the kernel dropped, by its own reason: an optional extra (tracepoint skb:kfree_skb, since 5.17).

The names of the reasons differ from kernel to kernel and are read from tracefs. Where it is not to be had, that is said
and nothing else changes.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from typing import Final

import numpy as np

from kindling.capture.bpf import loader
from kindling.capture.bpf.maps import SharedArray
from kindling.capture.bpf.mounts import open_detached
from kindling.capture.bpf.program import BpfObject
from kindling.capture.bpf.syscall import raw_tracepoint_open
from kindling.errors import LayoutError, UnsupportedError

OBJECT: Final = "drops.bpf.o"
TRACEPOINT: Final = "events/skb/kfree_skb"
RAW: Final = "kfree_skb"
MOUNTS: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")

_FIELD: Final = re.compile(r"field:[^;]*\breason;")
_REASON: Final = re.compile(r'\{\s*(\d+|0x[0-9a-fA-F]+),\s*"(\w+)"\s*\}')


def parse_reasons(text: str) -> dict[int, str]:
    """Names of the reasons in lower case, by number, of the text of a `format` file.

    Raises UnsupportedError where drops carry no reason.
    """
    if _FIELD.search(text) is None:
        raise UnsupportedError("This kernel tells no reason when it drops a packet (5.17 and later do).", hint="")
    _, _, symbols = text.partition("print fmt:")
    reasons = {int(value, 0): name.lower() for value, name in _REASON.findall(symbols)}
    reasons.pop(next((value for value, name in reasons.items() if name == "max"), -1), None)
    return reasons


def read_reasons() -> dict[int, str]:
    """Read the tracepoint's description from tracefs, mounted or not."""
    for place in MOUNTS:
        try:
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            return parse_reasons(_read(folder))
        except OSError:
            continue
        finally:
            os.close(folder)
    folder = open_detached("tracefs")
    try:
        return parse_reasons(_read(folder))
    finally:
        os.close(folder)


def _read(folder: int) -> str:
    descriptor = os.open(f"{TRACEPOINT}/format", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        return file.read()


class Drops:
    """Counts from its creation until it is closed. Raises KindlingError or OSError where it cannot."""

    def __init__(self, image: bytes) -> None:
        self._reasons = read_reasons()
        parsed = BpfObject.parse(image)
        spec = next(iter(parsed.programs.values()), None)
        if spec is None or "drops" not in parsed.maps:
            raise LayoutError("The object that counts drops is another one.", hint="`make build`.")
        with ExitStack() as stack:
            loaded = loader.load(parsed)
            stack.callback(loaded.close)
            self._counts = SharedArray(loaded.maps["drops"], np.dtype([("n", "<u8")])).rows["n"]
            stack.callback(os.close, raw_tracepoint_open(loaded.programs[spec.name], RAW))
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
