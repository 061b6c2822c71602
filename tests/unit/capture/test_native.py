"""The native library and the probe's object are of one build: the same structures, the same numbers."""

from __future__ import annotations

import pytest

from kindling.capture.native import TABLES, Engine
from kindling.capture.replay import Addresses, ReplaySource
from kindling.model.codes import LOST_NAMES
from unit.capture.replayed import CAPTURES

STRUCTURES = [
    *(f"{table}_slot" for table in TABLES),
    "event_head",
    "event_request",
    "event_failure",
    "event_dns",
    "pending",
    "losses",
    "config",
]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_sizes(structure: str) -> None:
    engine = Engine()
    try:
        assert engine.size(structure) == engine.dtype(structure).itemsize
    finally:
        engine.close()


def test_tables_and_losses() -> None:
    with ReplaySource.open(CAPTURES / "http_get.pcap") as source:
        source.fill()
        for table in TABLES:
            slots = source.slots(table)
            live = slots["head"]["live"]
            assert live[0] == 1, "`other` is always there"
            assert 1 < live.sum() < len(slots)
            assert len(set(slots["head"]["id"][live == 1].tolist())) == live.sum()
        assert set(source.lost()) == set(LOST_NAMES)
        assert not any(source.lost().values())


def test_owners_are_addresses() -> None:
    with ReplaySource.open(CAPTURES / "http_ipv6.pcap") as source:
        source.fill()
        owners = source.slots("owner")[1:3]
        names = {
            Addresses()
            .opened(cgroup=int(o["key"]["cgroup"]), netns=int(o["key"]["netns"]), comm=b"", tgid=0, uid=0)
            .name
            for o in owners
        }
    assert names == {"fd00:9::1", "fd00:9::2"}


def test_events_are_taken_once() -> None:
    with ReplaySource.open(CAPTURES / "dns_a.pcap") as source:
        source.fill()
        assert len(list(source.events())) == 2
        assert not list(source.events())


def test_queries_are_taken_once() -> None:
    with ReplaySource.open(CAPTURES / "dns_unanswered.pcap") as source:
        source.fill()
        assert not source.expire_queries(0)
        expired = source.expire_queries(source.now() + 1)
        assert len(expired) == 4
        assert {len(entry) for entry in expired} == {source.dtype("pending").itemsize}
        assert not source.expire_queries(source.now() + 1)
