"""Answers in pieces, for those who read gzip and those who do not."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from asgi import Answer, get
from kindling.api.compress import Gzip, unzipped
from kindling.api.pieces import WAITING, Waiting, response_of

HEADERS = {"content-type": "text/plain"}
LONG = 3 << 20


def answered(pieces: list[bytes], accepted: str, waiting: Waiting | None = None) -> Answer:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response_of(pieces, accepted, HEADERS)(scope, receive, send)

    return get(app, "/", state={WAITING: waiting} if waiting else None)


def lines(size: int) -> list[bytes]:
    piece = b"".join(b'things_total{name="%d"} 1\n' % n for n in range(1_000))
    return [piece] * (size // len(piece) + 1)


@pytest.mark.parametrize("size", [0, 1_000, 100_000, LONG])
@pytest.mark.parametrize("accepted", ["", "gzip"])
def test_the_answer_is_the_pieces(size: int, accepted: str) -> None:
    pieces = lines(size) if size else []
    answer = answered(pieces, accepted)
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["vary"] == "accept-encoding"
    body = gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
    assert body == b"".join(pieces)
    assert ("content-encoding" in answer.headers) == (accepted == "gzip" and bool(size))


@pytest.mark.parametrize("size", [100_000, LONG])
def test_what_is_long_waits_for_its_reader_compressed(size: int) -> None:
    waiting, pieces = Waiting(), lines(size)
    seen: list[tuple[int, int]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def reading(message: Message) -> None:
            seen.append((waiting.bytes, len(message.get("body", b""))))
            await send(message)

        await response_of(pieces, "", HEADERS)(scope, receive, reading)

    get(app, "/", state={WAITING: waiting})
    assert waiting.bytes == 0
    if size == LONG:
        assert all(0 < kept < size / 20 for kept, _ in seen)
        assert max(step for _, step in seen) <= 128 << 10
    else:
        assert [step for _, step in seen][1:] == [len(b"".join(pieces))]


def test_pieces_are_not_kept() -> None:
    """Each is gone before the next but one is made: the text never is in memory."""
    alive: set[int] = set()
    most = 0

    class Piece(bytes):
        __slots__ = ()

        def __del__(self) -> None:
            alive.discard(id(self))

    def made() -> Iterator[bytes]:
        nonlocal most
        for _ in range(100):
            piece = Piece(b"x" * (256 << 10))
            alive.add(id(piece))
            most = max(most, len(alive))
            yield piece
            del piece

    response_of(made(), "gzip", HEADERS)
    assert most <= 2


@given(st.lists(st.one_of(st.binary(max_size=200), st.integers(0, 300_000).map(lambda n: Random(n).randbytes(n)))))
def test_gzip_and_back(pieces: list[bytes]) -> None:
    packed = Gzip()
    for piece in pieces:
        packed.add(piece)
    stream = packed.finish()
    assert packed.size == sum(map(len, pieces))
    assert gzip.decompress(stream) == b"".join(pieces)
    assert b"".join(unzipped(stream)) == b"".join(pieces)
