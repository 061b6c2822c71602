"""In whatever order the packets of a message come, its request is counted once, and is not taken for a slow one."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from live.test_tls import client_hello
from unit.capture.test_replay_cuts import A, B, answer, pieces, request
from unit.capture.test_track import ACK, PSH, Trace

_TIME = 8  # bytes of a record's time stamp
_PAUSE = 5.0

_asked = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST"]), st.sampled_from(["/", "/a?b=1"]), st.just(["Host: one.example"])
)
_answers = st.tuples(
    st.sampled_from(["200 OK", "404 Not Found", "204 No Content"]),
    st.lists(st.just(""), max_size=0),
    st.sampled_from(["length", "chunked"]),
    st.integers(0, 3000),
)
_exchanges = st.lists(st.tuples(_asked, _answers), min_size=1, max_size=5)


def shuffle(trace: Trace, begin: int, order: random.Random) -> None:
    """Put the packets from one on into another order, at the same times."""
    records = trace.packets[begin:]
    times = [record[:_TIME] for record in records]
    order.shuffle(records)
    trace.packets[begin:] = [when + record[_TIME:] for when, record in zip(times, records, strict=True)]


@settings(max_examples=150)
@given(exchanges=_exchanges, size=st.integers(60, 700), order=st.randoms(use_true_random=False))
def test_order_of_packets(
    exchanges: list[tuple[tuple[str, str, list[str]], tuple[str, list[str], str, int]]],
    size: int,
    order: random.Random,
) -> None:
    trace = Trace()
    trace.handshake(A, B)
    wanted: Counter[tuple[str, str, str]] = Counter()
    for ask, told in exchanges:
        for source, target, message in ((A, B, request(*ask)), (B, A, answer(ask[0], *told))):
            begin = len(trace.packets)
            for piece in pieces(message, [size] * 20):
                trace.now += 0.001
                trace.tcp(source, target, PSH | ACK, piece)
            shuffle(trace, begin, order)
        wanted.update((role, f"{ask[0]} {ask[1].split('?')[0]}", told[0][:3]) for role in ("client", "server"))
    trace.now += _PAUSE
    trace.close(A, B)
    with tempfile.TemporaryDirectory() as home:
        snapshot = trace.replay(Path(home))
    assert wanted == Counter(
        {(row.labels.role, row.labels.operation, row.labels.status): row.count for row in snapshot.ops}
    )
    assert all(row.duration_ns < _PAUSE * 1e9 for row in snapshot.ops)


@settings(max_examples=50)
@given(size=st.integers(60, 700), order=st.randoms(use_true_random=False))
def test_order_of_a_hello(size: int, order: random.Random) -> None:
    """Whatever of the hello is read too late to be read, the connection is one of TLS."""
    trace = Trace()
    trace.handshake(A, B)
    begin = len(trace.packets)
    for piece in pieces(client_hello("order.test", padding=1500), [size] * 20):
        trace.now += 0.001
        trace.tcp(A, B, PSH | ACK, piece)
    shuffle(trace, begin, order)
    trace.tcp(B, A, PSH | ACK, b"\x16\x03\x03\x00\x02\x02\x00")
    trace.tcp(A, B, PSH | ACK, b"\x14\x03\x03\x00\x01\x01")
    trace.close(A, B)
    with tempfile.TemporaryDirectory() as home:
        snapshot = trace.replay(Path(home))
    opened = {(row.labels.role, row.labels.protocol): row.opened for row in snapshot.flows if row.opened}
    assert opened == {("client", "tls"): 1, ("server", "tls"): 1}
