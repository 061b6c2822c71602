"""Who may ask the agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kindling.config import Server
from kindling.errors import SettingError


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tls_key": Path("key")}, "--tls-cert"),
        ({"client_ca": Path("ca")}, "need TLS"),
        ({"no_auth": True, "token_file": Path("token")}, "--no-auth"),
        ({"max_streams": 0}, "server.max_streams"),
        ({"requests_per_second": 0}, "server.requests_per_second"),
        ({"unread_seconds": -1}, "server.unread_seconds"),
    ],
)
def test_what_cannot_be(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Server(**values)


def test_who_is_asked() -> None:
    assert not Server().asks
    assert Server(token_file=Path("token")).asks
    assert Server(tls_cert=Path("cert"), client_ca=Path("ca")).asks
    assert not Server(tls_cert=Path("cert")).asks
