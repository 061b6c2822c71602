from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kindling.model.histogram import BOUNDS_NS, BUCKETS, bucket, quantile


@given(st.integers(0, 1 << 40))
def test_bucket_holds_its_duration(ns: int) -> None:
    index = bucket(ns)
    assert index == BUCKETS - 1 or ns < BOUNDS_NS[index]
    assert index == 0 or ns >= BOUNDS_NS[index - 1]


def test_relative_error_of_the_middle() -> None:
    for low, high in itertools.pairwise(BOUNDS_NS):
        assert (high - low) / 2 <= 0.125 * low


def test_bounds_grow() -> None:
    assert list(BOUNDS_NS) == sorted(set(BOUNDS_NS))
    assert len(BOUNDS_NS) == BUCKETS - 1


@given(st.lists(st.integers(0, 1 << 38), min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_is_inside_the_right_bucket(durations: list[int], q: float) -> None:
    hist = np.zeros(BUCKETS, np.uint64)
    for ns in durations:
        hist[bucket(ns)] += np.uint64(1)
    value = quantile(hist, q)
    assert 0 <= value <= BOUNDS_NS[-1]
    filled = np.flatnonzero(hist)
    low = BOUNDS_NS[filled[0] - 1] if filled[0] else 0
    assert low <= value


def test_quantile_of_nothing() -> None:
    assert quantile(np.zeros(BUCKETS, np.uint64), 0.5) == 0
