"""What is outside this host."""

from __future__ import annotations

import pytest

from factories import flow
from kindling.export.external import external_rows
from kindling.export.horizon import Horizon
from kindling.model import Scope


@pytest.mark.parametrize("scope", ["loopback", "own"])
def test_inside(scope: Scope) -> None:
    assert not Horizon().sees_outside(flow(scope=scope).labels)
    assert external_rows([flow(scope=scope)], Horizon()) == []


@pytest.mark.parametrize("scope", ["public", "private", "link-local"])
def test_outside(scope: Scope) -> None:
    assert Horizon().sees_outside(flow(scope=scope).labels)
    assert [row.scope for row in external_rows([flow(scope=scope)], Horizon())] == [scope]


def test_servers_see_nobody_outside() -> None:
    assert not Horizon().sees_outside(flow(role="server").labels)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "", "203.0.113.1"])
def test_local_addresses(address: str) -> None:
    assert Horizon({"203.0.113.1"}).is_local(address)


@pytest.mark.parametrize("address", ["10.0.0.7", "93.184.216.34", "2001:db8::9", "fe80::1", "224.0.0.251"])
def test_addresses_elsewhere(address: str) -> None:
    assert not Horizon().is_local(address)


def test_the_answer_changes_when_more_is_learned() -> None:
    horizon = Horizon()
    assert horizon.scope("8.8.8.8") == "public"
    horizon.learn(["8.8.8.8"])
    assert horizon.is_local("8.8.8.8")
    assert (horizon.scope("8.8.8.8"), horizon.scope("")) == ("own", "")


def test_a_capture_shows_both_ends() -> None:
    horizon = Horizon(learn_local=False)
    horizon.learn(["8.8.8.8"])
    assert not horizon.is_local("8.8.8.8")
