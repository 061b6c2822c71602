"""SIGHUP: what is taken, what waits for a restart, and what a broken file leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kindling.agent.reload import Reloader
from kindling.config import Alerts, Settings
from kindling.errors import SettingError

BEFORE = Settings()
QUIET = replace(BEFORE, alerts=Alerts(enabled=False))


class Agent:
    """An agent whose file says `file`, and whose alerts take what they are told unless they refuse."""

    def __init__(self) -> None:
        self.file: Settings | SettingError = BEFORE
        self.refusal = ""
        self.taken: list[bool] = []
        self.said: list[str] = []
        self._reloader = Reloader(BEFORE, self._load, {"alerts": self._take}, self.said.append)

    def hangup(self) -> list[str]:
        self.said.clear()
        self._reloader.reload()
        return list(self.said)

    def _load(self) -> Settings:
        if isinstance(self.file, SettingError):
            raise self.file
        return self.file

    def _take(self, settings: Settings) -> None:
        if self.refusal:
            raise SettingError(self.refusal)
        self.taken.append(settings.alerts.enabled)


@pytest.fixture
def agent() -> Agent:
    return Agent()


def test_what_can_be_changed_is_and_the_rest_is_named(agent: Agent) -> None:
    agent.file = replace(QUIET, interval=2.0)
    assert agent.hangup() == ["SIGHUP: changed: alerts.enabled", "SIGHUP: a restart is needed for: interval"]
    assert agent.taken == [False]


def test_a_signal_without_a_change_opens_files_again(agent: Agent) -> None:
    """As after logrotate: all parts are called."""
    assert agent.hangup() == ["SIGHUP: changed: nothing"]
    assert agent.taken == [True]


def test_a_broken_file_leaves_all_as_it_was(agent: Agent) -> None:
    agent.file = SettingError("kindling.yaml, line 3: unknown setting 'alert'.")
    (said,) = agent.hangup()
    assert said.startswith("SIGHUP: the old settings stay")
    assert "kindling.yaml, line 3" in said
    assert agent.taken == []
    agent.file = QUIET
    assert agent.hangup() == ["SIGHUP: changed: alerts.enabled"]


def test_a_part_that_refuses_is_asked_again(agent: Agent) -> None:
    agent.file, agent.refusal = QUIET, "The webhook's secret cannot be read."
    assert agent.hangup() == [
        "SIGHUP: alerts stays as it was: The webhook's secret cannot be read.",
        "SIGHUP: changed: nothing",
    ]
    agent.refusal = ""
    assert agent.hangup() == ["SIGHUP: changed: alerts.enabled"]
    assert agent.taken == [False]
