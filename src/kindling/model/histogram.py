"""Log-linear latency histogram of the probe (`bpf/types.h`, HIST_*).

Bucket 0 holds what is below 2^MIN_LOG2 ns, the last bucket all from 2^MAX_LOG2 ns on. Between
them each octave has SUB buckets of equal width, so a bucket's middle is off by at most 12.5 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_LOG2: Final = 10
MAX_LOG2: Final = 37
SUB: Final = 4
BUCKETS: Final = (MAX_LOG2 - MIN_LOG2) * SUB + 2


def _bounds() -> tuple[int, ...]:
    octaves = range(MIN_LOG2, MAX_LOG2)
    return (*((1 << o) * (SUB + s) // SUB for o in octaves for s in range(SUB)), 1 << MAX_LOG2)


#: BOUNDS_NS[i] is the (exclusive) upper bound of bucket i; the last bucket has none.
BOUNDS_NS: Final = _bounds()


def bucket(nanoseconds: int) -> int:
    """The bucket that holds a duration."""
    if nanoseconds < 1 << MIN_LOG2:
        return 0
    if nanoseconds >= 1 << MAX_LOG2:
        return BUCKETS - 1
    octave = nanoseconds.bit_length() - 1
    sub = (nanoseconds >> (octave - 2)) & (SUB - 1)
    return (octave - MIN_LOG2) * SUB + sub + 1


def quantile(hist: NDArray[np.uint64], q: float) -> float:
    """The duration in ns below which the share `q` of requests stays; 0 when there are none.

    Linear within a bucket; the last bucket answers with its lower bound.
    """
    total = int(hist.sum())
    if total == 0:
        return 0.0
    rank = q * total
    cumulated = hist.cumsum()
    index = min(int(cumulated.searchsorted(rank)), BUCKETS - 1)
    while index < BUCKETS - 1 and hist[index] == 0:
        index += 1
    if index == BUCKETS - 1:
        return float(BOUNDS_NS[-1])
    low = BOUNDS_NS[index - 1] if index else 0
    inside = (rank - (int(cumulated[index]) - int(hist[index]))) / int(hist[index])
    return low + (BOUNDS_NS[index] - low) * max(0.0, min(1.0, inside))
