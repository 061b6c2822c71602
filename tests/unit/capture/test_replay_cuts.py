"""However a conversation is cut into packets, the same is counted: by the short way of whole plain heads, and by the
readers of cut ones.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kindling.protocols.http1 import collapse
from unit.capture.replayed import collapsed
from unit.capture.test_track import ACK, CLIENT, PSH, SERVER, Trace

A, B = (CLIENT, 40000), (SERVER, 80)

_paths = st.sampled_from(["/", "/users/17", "/a?b=1", "/x/y/z", "/" + "p" * 90])
_headers = st.lists(
    st.sampled_from(["Host: one.example", "Accept: */*", "X-Long: " + "v" * 200, "content-type: a/b", "Transfer: no"]),
    max_size=4,
)
_requests = st.tuples(st.sampled_from(["GET", "GET", "HEAD", "POST", "DELETE"]), _paths, _headers)
_answers = st.tuples(
    st.sampled_from(["200 OK", "404 Not Found", "204 No Content", "304 Not Modified", "503 Busy"]),
    _headers,
    st.sampled_from(["length", "chunked", "none"]),
    st.integers(0, 700),
)
_exchanges = st.lists(st.tuples(_requests, _answers), min_size=1, max_size=6)
_cuts = st.lists(st.integers(1, 400), max_size=5)


def request(method: str, path: str, headers: list[str]) -> bytes:
    body = b"q=1" if method == "POST" else b""
    lines = [f"{method} {path} HTTP/1.1", *headers, *([f"Content-Length: {len(body)}"] if body else [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(method: str, status: str, headers: list[str], framing: str, size: int) -> bytes:
    body = b"." * size
    if method == "HEAD" or status[:3] in {"204", "304"}:
        return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()
    if framing == "chunked":
        lines = [*headers, "Transfer-Encoding: chunked"]
        body = (f"{size:x}\r\n".encode() + body + b"\r\n" if size else b"") + b"0\r\n\r\n"
    else:
        lines = [*headers, f"Content-Length: {size}"]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def pieces(message: bytes, cuts: list[int]) -> list[bytes]:
    found = []
    for cut in cuts:
        if len(message) > cut:
            found.append(message[:cut])
            message = message[cut:]
    return [*found, message]


def counted(messages: list[tuple[bytes, bytes]], cuts: list[int]) -> Counter[tuple[str, str, str, int, int]]:
    trace = Trace()
    trace.handshake(A, B)
    for asked, answered in messages:
        for source, target, message in ((A, B, asked), (B, A, answered)):
            for piece in pieces(message, cuts):
                trace.now += 0.001
                trace.tcp(source, target, PSH | ACK, piece)
    trace.close(A, B)
    with tempfile.TemporaryDirectory() as home:
        snapshot = trace.replay(Path(home))
    assert not snapshot.lost
    return Counter(
        {
            (row.labels.role, row.labels.operation, row.labels.status, row.request_bytes, row.response_bytes): row.count
            for row in snapshot.ops
        }
    )


@settings(max_examples=60)
@given(exchanges=_exchanges, cuts=_cuts)
def test_cuts_change_nothing(exchanges: list[object], cuts: list[int]) -> None:
    messages = [(request(*ask), answer(ask[0], *told)) for ask, told in exchanges]  # type: ignore[misc,has-type]
    whole = counted(messages, [])
    assert sum(whole.values()) == 2 * len(messages)
    assert counted(messages, cuts) == whole


@settings(max_examples=100)
@given(st.text("ab17v.-/", max_size=110))
def test_what_varies_in_a_target_collapses(path: str) -> None:
    """The probe rewrites targets eight bytes at a time, in place."""
    found = counted([(request("GET", f"/{path}", []), answer("GET", "200 OK", [], "length", 1))], [])
    assert {operation for _, operation, *_ in found} == {f"GET {collapse(collapsed(f'/{path}'))}"}
