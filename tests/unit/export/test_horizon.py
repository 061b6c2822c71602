"""What is outside this host."""

from __future__ import annotations

import pytest

from factories import flow
from kindling.export.external import external_rows
from kindling.export.horizon import Horizon


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "", "192.0.2.10"])
def test_inside(address: str) -> None:
    assert not Horizon().sees_outside(flow(remote_ip=address).labels)


@pytest.mark.parametrize("address", ["10.0.0.7", "93.184.216.34", "2001:db8::9", "fe80::1", "224.0.0.251"])
def test_outside(address: str) -> None:
    assert Horizon().sees_outside(flow(remote_ip=address).labels)


def test_servers_see_nobody_outside() -> None:
    assert not Horizon().sees_outside(flow(role="server").labels)


def test_addresses_given_are_inside() -> None:
    assert not Horizon({"203.0.113.1"}).sees_outside(flow(remote_ip="203.0.113.1").labels)


def test_an_address_that_a_socket_here_uses_is_inside_whatever_the_order() -> None:
    rows = [flow(remote_ip="172.17.0.2", opened=1), flow(role="server", local_ip="172.17.0.2")]
    assert not external_rows(rows, Horizon())


def test_the_answer_changes_when_more_is_learned() -> None:
    horizon = Horizon()
    assert not horizon.is_local("203.0.113.1")
    horizon.learn(["203.0.113.1"])
    assert horizon.is_local("203.0.113.1")


def test_a_capture_shows_both_ends() -> None:
    rows = [flow(opened=1), flow(role="server", local_ip="93.184.216.34", remote_ip="192.0.2.10")]
    assert [row.destination for row in external_rows(rows, Horizon(learn_local=False))] == ["example.org"]
