"""The fast way and the plain way agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.export.quantiles import quantiles
from kindling.model.histogram import BUCKETS, quantile

SHARES = (0.5, 0.9, 0.99)


@given(st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 10_000)))
def test_as_one_by_one(counts: dict[int, int]) -> None:
    hist = np.zeros(BUCKETS, np.uint64)
    for index, count in counts.items():
        hist[index] = count
    assert quantiles(hist, SHARES) == pytest.approx([quantile(hist, share) for share in SHARES])
