from __future__ import annotations

import pytest

from kindling.config import Limits, Recycling, Settings, parse_listen
from kindling.errors import SettingError


@pytest.mark.parametrize(
    "text, where",
    [
        ("127.0.0.1:9500", ("127.0.0.1", 9500)),
        ("localhost:0", ("localhost", 0)),
        (":9500", ("0.0.0.0", 9500)),
        ("[::1]:9500", ("::1", 9500)),
        ("[::]:80", ("::", 80)),
    ],
)
def test_listen(text: str, where: tuple[str, int]) -> None:
    assert parse_listen(text) == where
    settings = Settings(listen=text)
    assert (settings.host, settings.port) == where


@pytest.mark.parametrize(
    "text", ["", "9500", "host", "host:", "host:x", "host:65536", "host:-1", "::1:9500", "[x]:80", "h:٣"]
)
def test_not_to_listen(text: str) -> None:
    with pytest.raises(SettingError):
        Settings(listen=text)


@pytest.mark.parametrize("interval", [0, -1, 61, 0.001])
def test_interval(interval: float) -> None:
    with pytest.raises(SettingError, match="interval"):
        Settings(interval=interval)


def test_other_bounds() -> None:
    with pytest.raises(SettingError, match="timeout"):
        Settings(query_timeout=0)
    with pytest.raises(SettingError, match="flow_rows"):
        Limits(flow_rows=0)
    with pytest.raises(SettingError, match="Idle"):
        Recycling(idle_seconds=-1)
    with pytest.raises(SettingError, match="pressure"):
        Recycling(pressure=1.1)
    with pytest.raises(SettingError, match="batch"):
        Recycling(batch=0)
