"""Captures of real programs: requests, queries, hellos, connections and bytes as tshark reads the same file."""

from __future__ import annotations

import pytest

from unit.capture.replayed import CAPTURES, TSHARK, Seen, captures, replay, seen_by_replay, seen_by_tshark

# -ra in pyproject.toml shows the reason of every skip.
pytestmark = pytest.mark.skipif(not TSHARK, reason="tshark is missing: compared with golden files only")

# What the two mean by a request differs there.
OTHER_REQUESTS = {
    "http_snapped.pcap": "tshark does not go on behind a packet that was cut off, the replay does",
    "http_pipelining_many.pcap": "beyond 16 requests in flight the operation is `other`",
    "wire_reorder.pcap": "a head in single bytes of which every fourth is late is missed: see test_gap",
    "http_upgrade.pcap": "tshark takes the upgraded stream for HTTP where it looks like it",
}


@pytest.fixture(params=captures())
def both(request: pytest.FixtureRequest) -> tuple[str, Seen, Seen]:
    path = CAPTURES / request.param
    return request.param, seen_by_replay(path), seen_by_tshark(path)


def test_requests(both: tuple[str, Seen, Seen]) -> None:
    name, ours, theirs = both
    if name in OTHER_REQUESTS:
        pytest.skip(OTHER_REQUESTS[name])
    assert ours.requests == theirs.requests
    assert ours.hosts == theirs.hosts


def test_queries(both: tuple[str, Seen, Seen]) -> None:
    _, ours, theirs = both
    assert ours.queries == theirs.queries


def test_hellos(both: tuple[str, Seen, Seen]) -> None:
    _, ours, theirs = both
    assert ours.hellos == theirs.hellos


def test_connections(both: tuple[str, Seen, Seen]) -> None:
    _, ours, theirs = both
    assert (ours.opened, ours.refused, ours.unanswered) == (theirs.opened, theirs.refused, theirs.unanswered)


def test_bytes(both: tuple[str, Seen, Seen]) -> None:
    _, ours, theirs = both
    assert (ours.bytes_out, ours.bytes_in) == (theirs.bytes_out, theirs.bytes_in)


def test_sent_again(both: tuple[str, Seen, Seen]) -> None:
    name, ours, theirs = both
    if name == "link_copies.pcap":
        assert (ours.sent_again, theirs.sent_again > 0) == (0, True), "the replay tells copies from retransmissions"
    else:
        assert ours.sent_again == theirs.sent_again


def test_gap() -> None:
    """What the probe cannot put together it counts as lost, and it goes on behind it."""
    ours, theirs = seen_by_replay(CAPTURES / "wire_reorder.pcap"), seen_by_tshark(CAPTURES / "wire_reorder.pcap")
    missed = theirs.requests - ours.requests
    assert missed == {("GET /drip", "201"): 1}
    assert ours.requests - theirs.requests == {("GET /drip", ""): 1}
    assert replay(CAPTURES / "wire_reorder.pcap").lost["gap"] == 2
