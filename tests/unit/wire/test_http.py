import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.wire.http import retry_after

NOON = 1_709_640_000.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Tue, 05 Mar 2024 12:00:30 GMT", 30.0),
        ("Tue, 05 Mar 2024 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("²", None),
        ("", None),
    ],
)
def test_seconds_or_a_date(said: str, seconds: float | None) -> None:
    assert retry_after(said, NOON) == seconds


@given(st.one_of(st.text(), st.integers(0).map(str), st.datetimes().map("{:%a, %d %b %Y %H:%M:%S GMT}".format)))
def test_whatever_is_said_it_is_no_time_without_end(said: str) -> None:
    seconds = retry_after(said, NOON)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
