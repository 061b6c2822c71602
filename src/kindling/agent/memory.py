"""Keeping the agent small."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Final

# mallopt(3)
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_THRESHOLD_BYTES: Final = 128 << 10


def settle() -> None:
    """After the start: what was imported stays, so the collector of cycles need not look at it again; what only the
    start needed goes back.

    Large blocks (the text of a scrape) are mapped and unmapped one by one: by default glibc raises that threshold at
    the first large block that is freed, and keeps all later ones.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _THRESHOLD_BYTES)
        libc.malloc_trim(0)


def trim() -> None:
    """Give free memory back to the kernel."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
