"""Ports of nodes, against a plain list of who had which when."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.kubernetes.claims import CLOCKS
from kindling.kubernetes.hostports import HostPort, HostPorts, host_ports
from kindling.kubernetes.objects import Pod
from kindling.kubernetes.pods import KnownPod
from kindling.kubernetes.workloads import Controller

PORT = HostPort("tcp", 9100)


def pod(uid: str, node: str = "n1", name: str = "") -> KnownPod:
    return KnownPod("shop", name or uid, uid, node, Controller("pod", uid), host_network=True, addresses=())


def at(ports: HostPorts, when: float, node: str = "n1", address: str = "192.0.2.1") -> set[str]:
    return {found.name for found in ports.at(node, address, PORT.port, PORT.transport, when).values()}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"containers": [{}, {"ports": None}, {"ports": [{"containerPort": 80}]}]}, []),
        (
            {
                "containers": [{"ports": [{"hostPort": 80}, {"hostPort": 53, "protocol": "UDP"}]}],
                "initContainers": [{"ports": [{"hostPort": 15090, "hostIP": "192.0.2.1"}]}],
            },
            [HostPort("tcp", 80), HostPort("udp", 53), HostPort("tcp", 15090, "192.0.2.1")],
        ),
        ({"containers": [{"ports": [{"hostPort": 80, "hostIP": each} for each in ("0.0.0.0", "::", "")]}]},
         [HostPort("tcp", 80)] * 3),
    ],
)  # fmt: skip
def test_ports_of_a_pod(spec: dict[str, object], expected: list[HostPort]) -> None:
    assert host_ports(msgspec.convert({"metadata": {}, "spec": spec}, Pod)) == expected


def test_what_is_known_of_a_pod_changes() -> None:
    ports = HostPorts()
    ports.put(pod("a"), [PORT], 100)
    ports.put(pod("a", name="renamed"), [PORT], 200)
    assert (at(ports, 100), at(ports, 100, node="n2")) == ({"renamed"}, set())


def test_a_pod_that_has_no_node_yet() -> None:
    ports = HostPorts()
    ports.put(pod("a", node=""), [PORT], 100)
    ports.put(pod("a"), [PORT], 100)
    assert (at(ports, 100), at(ports, 100, node="")) == ({"a"}, set())


def test_many_short_lives_take_no_room() -> None:
    ports = HostPorts()
    for number in range(100):
        ports.put(pod(str(number)), [PORT], number)
        assert ports.release(str(number), number + 1)
        assert not ports.release(str(number), number + 1)
    assert at(ports, 50) == set()
    assert at(ports, 95.5) == {"95", "96", "97"}, "clocks differ"
    assert len(ports) == 1
    ports.expire(101)
    assert len(ports) == 0


class Had(NamedTuple):
    uid: str
    since: float
    until: float


_lives = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=8)


@given(_lives, st.integers(-5, 60))
def test_as_a_plain_list_of_lives(lives: list[tuple[int, int]], when: int) -> None:
    ports = HostPorts()
    had = [Had(str(number), since, since + length) for number, (since, length) in enumerate(lives)]
    for each in had:
        ports.put(pod(each.uid), [PORT], each.since)
    for each in had:
        ports.release(each.uid, each.until)
    assert at(ports, when) == {each.uid for each in had if each.since - CLOCKS <= when < each.until}
