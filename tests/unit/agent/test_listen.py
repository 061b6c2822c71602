"""On which addresses the agent answers, and whom."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from certificates import authority
from kindling.agent.listen import check_callers, is_loopback, open_listener, url_of
from kindling.agent.live import Say
from kindling.agent.run import run_agent
from kindling.agent.watch import Tables
from kindling.config import Server, Settings
from kindling.errors import SettingError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_nobody_has_to_be_asked(host: str) -> None:
    with open_listener(host, 0) as listener:
        assert is_loopback(listener)
        check_callers(listener, Server())


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_elsewhere_it_must_be_said_who_may_ask(host: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    ours = authority(tmp_path / "ours")
    cert, key = ours.issue("agent")
    with open_listener(host, 0) as listener:
        assert not is_loopback(listener)
        with pytest.raises(SettingError, match=r"--token-file.*--client-ca.*--no-auth"):
            check_callers(listener, Server())
        with pytest.raises(SettingError, match="--no-auth"):
            check_callers(listener, Server(tls_cert=cert, tls_key=key))
        check_callers(listener, Server(no_auth=True))
        check_callers(listener, Server(token_file=token))
        check_callers(listener, Server(tls_cert=cert, tls_key=key, client_ca=ours.cert))
        assert url_of(listener, tls=True).startswith("https://")


def test_files_are_looked_at_before_anything_is_started(tmp_path: Path) -> None:
    with open_listener("127.0.0.1", 0) as listener:
        with pytest.raises(SettingError, match="token file"):
            check_callers(listener, Server(token_file=tmp_path / "none"))
        with pytest.raises(SettingError, match="certificates"):
            check_callers(listener, Server(tls_cert=tmp_path / "none"))


def test_an_agent_that_nobody_guards_does_not_start(tmp_path: Path) -> None:
    def tables(settings: Settings, say: Say) -> AbstractContextManager[Tables]:
        pytest.fail("the probe was loaded")

    with pytest.raises(SettingError, match="Will not listen"):
        run_agent(Settings(listen="0.0.0.0:0", data=tmp_path), say=print, open_tables=tables)
