"""Moments as people write them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NOON
from kindling.cli.main import run
from kindling.cli.times import moment


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOON - 90),
        ("15m", NOON - 900),
        ("15min", NOON - 900),
        ("1.5h", NOON - 5_400),
        ("2d ago", NOON - 2 * 86_400),
        ("1w", NOON - 7 * 86_400),
        ("today", NOON - 13 * 3_600),  # 12:00 UTC is 13:00 there
        ("yesterday", NOON - 37 * 3_600),
        ("2024-03-05", NOON - 13 * 3_600),
        ("2024-03-05T13:00", NOON),
        ("2024-03-05 12:00:00Z", NOON),
        ("2024-03-05T12:00:00+00:00", NOON),
        ("1709640000.5", NOON + 0.5),
    ],
)
def test_moments(text: str, expected: float) -> None:
    assert moment(text, NOON) == expected


@pytest.mark.parametrize("text", ["", "soon", "15", "-3m", "15 parsecs", "2024-13-01", "today ago", "٣m"])
def test_what_is_no_moment(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError):
        moment(text, NOON)
    assert run(["flows", "--since", text]) == 2
    assert "15m, 2h" in capsys.readouterr().err


@given(st.text(max_size=30))
def test_nothing_else_is_raised(text: str) -> None:
    with contextlib.suppress(ValueError, OverflowError, OSError):
        assert isinstance(moment(text, NOON), float)
