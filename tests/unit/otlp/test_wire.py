from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from kindling.otlp import wire
from kindling.otlp.messages import value


@given(st.integers(0, 2**64 - 1))
def test_numbers_come_back(n: int) -> None:
    assert list(wire.fields(wire.number(5, n))) == [(5, n)]


@given(st.binary(max_size=300), st.text(max_size=50))
def test_bytes_and_text_come_back(raw: bytes, text: str) -> None:
    message = wire.data(3, raw) + wire.text(16, text) + wire.fixed64(1, 7)
    assert list(wire.fields(message)) == [
        (3, raw),
        (16, text.encode("utf-8", "replace")),
        (1, b"\7" + bytes(7)),
    ]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        found = list(wire.fields(raw))
    except wire.Malformed:
        return
    assert all(field >= 0 for field, _ in found)


@pytest.mark.parametrize("cut", [b"\x80", b"\x0a\x05ab", b"\x09\1\2", b"\x0b", b"\xff" * 11])
def test_broken_messages(cut: bytes) -> None:
    with pytest.raises(wire.Malformed):
        list(wire.fields(cut))


@given(st.one_of(st.text(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)))
def test_values_as_the_protobuf_library_reads_them(given_value: str | bool | float) -> None:
    read = AnyValue()
    read.ParseFromString(value(given_value))
    kind = read.WhichOneof("value")
    assert kind is not None
    assert getattr(read, kind) == given_value
