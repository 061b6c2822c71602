"""Token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kindling.api.peers import network_of
from kindling.api.rate import MOST_PEERS, Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(2.0, 3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    clock.now += 0.5
    assert buckets.take("a") == 0
    assert buckets.take("a") == 0.5
    clock.now += 100
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.lists(st.floats(0, 1), max_size=50))
def test_no_more_than_rate_and_burst(pauses: list[float]) -> None:
    clock = Clock()
    buckets = Buckets(5.0, 4, clock=clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += buckets.take("a") == 0
    assert taken <= 4 + 5 * clock.now + 1e-6


def test_the_number_of_peers_is_bounded() -> None:
    buckets = Buckets(1.0, 1)
    for number in range(MOST_PEERS * 2):
        buckets.take(str(number))
    assert len(buckets) == MOST_PEERS
    assert buckets.take(str(MOST_PEERS * 2 - 1)) > 0


def test_peers() -> None:
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1:2") == network_of("2001:db8::ffff:3") == "2001:db8::/64"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("::1") == "::1"
    assert network_of("unix") == "unix"
