"""Who met whom: counted, bounded, forgotten."""

from __future__ import annotations

import pytest

from kindling.kubernetes.meetings import Meeting, Meetings

WEB, API = ("10.1.0.21", 8080), ("10.1.0.22", 8080)


def test_meetings_add_up() -> None:
    meetings = Meetings()
    assert meetings.meet("10.1.0.5", WEB, "tcp", 100.0, 2)
    assert not meetings.meet("10.1.0.5", WEB, "tcp", 101.0, 3)
    assert meetings.meet("10.1.0.5", API, "tcp", 102.0)
    assert meetings.meet("10.1.0.5", WEB, "udp", 103.0, 1)
    assert meetings.of("10.1.0.5", "tcp") == {WEB: Meeting(101.0, 5), API: Meeting(102.0, 0)}
    assert meetings.of("10.1.0.6", "tcp") == {}


def test_what_is_long_ago_is_forgotten() -> None:
    meetings = Meetings()
    meetings.meet("10.1.0.5", WEB, "tcp", 100.0)
    meetings.meet("10.1.0.5", API, "tcp", 200.0)
    meetings.meet("10.1.0.6", WEB, "tcp", 100.0)
    meetings.forget(150.0)
    assert meetings.of("10.1.0.5", "tcp").keys() == {API}
    assert len(meetings) == 1


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kindling.kubernetes.meetings._CLIENTS", 2)
    monkeypatch.setattr("kindling.kubernetes.meetings._ENDPOINTS", 2)
    meetings = Meetings()
    for last in range(4):
        meetings.meet("10.1.0.5", (f"10.1.0.{last}", 80), "tcp", 100.0)
    assert len(meetings.of("10.1.0.5", "tcp")) == 2
    meetings.meet("10.1.0.6", WEB, "tcp", 100.0)
    meetings.meet("10.1.0.7", WEB, "tcp", 100.0)
    assert len(meetings) == 2
    assert meetings.of("10.1.0.5", "tcp") == {}, "who came first goes first"
