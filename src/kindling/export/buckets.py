"""Buckets of `kindling_request_duration_seconds`, cut out of the kernel's finer histogram.

Each bound is an edge of a kernel bucket (`bpf/types.h`, HIST_*), a power of two of nanoseconds: a
request is never put into another bucket than the one it belongs to. The kernel's edges are exclusive,
Prometheus' inclusive; a request of exactly 2^n ns is therefore counted one bucket up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from kindling.model.histogram import BOUNDS_NS, BUCKETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: 66 µs, 262 µs, then every octave up to 2.1 s, 8.6 s and 34 s.
_LOG2: Final = (16, 18, *range(19, 32), 33, 35)

#: Kernel buckets 0..INDEX[i] lie below the bound LE[i].
INDEX: Final = tuple(BOUNDS_NS.index(1 << power) for power in _LOG2)
#: As text: exact decimal seconds.
LE: Final = (*(f"{BOUNDS_NS[i] / 1e9:.9f}".rstrip("0") for i in INDEX), "+Inf")
_COLUMNS: Final = np.array([*INDEX, BUCKETS - 1])


def cumulate(histograms: Sequence[NDArray[np.uint64]]) -> list[list[int]]:
    """For each kernel histogram the cumulated counts at LE; the last one is the count of requests."""
    if not histograms:
        return []
    counts: list[list[int]] = np.cumsum(np.stack(histograms), axis=1)[:, _COLUMNS].tolist()
    return counts
