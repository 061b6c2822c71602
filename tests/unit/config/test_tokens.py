"""Token files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kindling.config.tokens import Tokens, read_tokens
from kindling.errors import SettingError

GOOD = "0123456789abcdef"


def test_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# old\n\n  {GOOD}\r\n{GOOD[::-1]}")
    assert read_tokens(path) == (GOOD.encode(), GOOD[::-1].encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no token"),
        ("# nothing\n\n", "holds no token"),
        ("short\n", "Token 1"),
        (f"{GOOD}\nwith blank 0123456789\n", "Token 2"),
        ("0123456789abcdeé\n", "Token 1"),
        ("x" * 70_000, "larger"),
    ],
)
def test_what_is_none(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingError, match=said) as caught:
        read_tokens(path)
    assert "urandom" in str(caught.value)
    assert GOOD not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="No such file"):
        Tokens(tmp_path / "none")


@given(text=st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_other_header_fits(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(GOOD)
    tokens = Tokens(path)
    assert tokens.fits(f"Bearer {GOOD}")
    assert not tokens.fits(text)
    assert not tokens.fits(f"Bearer {text}")
    assert not tokens.fits(f"Basic {text}")
