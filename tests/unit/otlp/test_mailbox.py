from __future__ import annotations

import pytest

import factories as make
from kindling.otlp.backoff import Backoff
from kindling.otlp.mailbox import Mailbox
from kindling.otlp.streams import Reading, Streams


def readings(opened: int, streams: Streams, row: object = make.flow()) -> list[Reading]:
    row.opened, row.last_seen = opened, make.NOON + opened  # type: ignore[attr-defined]
    streams.begin(make.snapshot(flows=[row]), full=False)
    return streams.step(1e9)


def test_newer_numbers_take_the_place_of_older_ones() -> None:
    mailbox, streams = Mailbox(10), Streams(1_000, 1.0, details=True)
    mailbox.put(readings(1, streams), ())
    mailbox.put(readings(2, streams), ())
    assert len(mailbox) == 1
    assert [reading.values[0] for reading in mailbox.take_readings(10)] == [2]
    assert mailbox.take_readings(10) == []


def test_the_oldest_spans_go_and_are_counted() -> None:
    mailbox = Mailbox(3)
    mailbox.put((), [make.request_event(pid=pid) for pid in range(5)])
    assert mailbox.dropped == 2
    assert [event.pid for event in mailbox.take_spans(2)] == [2, 3]
    assert [event.pid for event in mailbox.take_spans(2)] == [4]


def test_closed_and_empty_means_the_end() -> None:
    mailbox = Mailbox(3)
    mailbox.put((), [make.request_event()])
    mailbox.close()
    assert mailbox.wait()
    mailbox.take_spans(1)
    assert not mailbox.wait()


def test_waits_grow_within_bounds() -> None:
    shortest, longest = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    assert [shortest.wait(None) for _ in range(3)] == pytest.approx([0.5, 0.8, 1.28])
    assert max(longest.wait(None) for _ in range(20)) == 45.0
    assert 9.0 <= longest.wait(9.0) <= 12.0
    assert Backoff(lambda: 0.0).wait(1e9) == 120.0
