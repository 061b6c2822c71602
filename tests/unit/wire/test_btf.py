import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.errors import InputError, LayoutError
from kindling.wire.btf import Btf, Kind
from kindling.wire.layout import struct_dtype, type_dtype


def raw(types: bytes, strings: bytes = b"\0") -> bytes:
    """Return BTF with these types."""
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


def head(kind: Kind, count: int = 0, size: int = 0, name: int = 0, *, flag: bool = False) -> bytes:
    return struct.pack("<III", name, flag << 31 | kind << 24 | count, size)


def test_finds_types_by_kind_and_name(btf: Btf) -> None:
    row = btf.find(Kind.STRUCT, "row")
    assert [member.name for member in row.members] == ["head", "count", "sum"]
    assert btf.size(row.id) == row.size == 32
    assert btf.has(Kind.VAR, "settings")
    assert not btf.has(Kind.STRUCT, "settings_of_another_program")
    with pytest.raises(LayoutError, match="no struct 'nothing'"):
        btf.find(Kind.STRUCT, "nothing")


def test_every_kind_is_read() -> None:
    strings = b"\0name\0"
    types = b"".join(
        (
            head(Kind.INT, size=4, name=1) + struct.pack("<I", 1 << 24 | 32),  # 1
            head(Kind.PTR, size=1),  # 2
            head(Kind.ARRAY) + struct.pack("<III", 2, 1, 3),  # 3
            head(Kind.STRUCT, 1, 8) + struct.pack("<III", 1, 2, 0),  # 4
            head(Kind.UNION, 1, 4) + struct.pack("<III", 1, 1, 0),  # 5
            head(Kind.ENUM, 1, 4, flag=True) + struct.pack("<Ii", 1, -2),  # 6
            head(Kind.FWD, name=1),  # 7
            head(Kind.TYPEDEF, size=3, name=1),  # 8
            head(Kind.VOLATILE, size=8),  # 9
            head(Kind.CONST, size=9),  # 10
            head(Kind.RESTRICT, size=10),  # 11
            head(Kind.FUNC, size=13, name=1),  # 12
            head(Kind.FUNC_PROTO, 1, 1) + struct.pack("<II", 1, 1),  # 13
            head(Kind.VAR, size=1, name=1) + struct.pack("<I", 1),  # 14
            head(Kind.DATASEC, 1, 4, 1) + struct.pack("<III", 14, 0, 4),  # 15
            head(Kind.FLOAT, size=8, name=1),  # 16
            head(Kind.DECL_TAG, size=14, name=1) + struct.pack("<i", -1),  # 17
            head(Kind.TYPE_TAG, size=1, name=1),  # 18
            head(Kind.ENUM64, 1, 8, flag=True) + struct.pack("<IiI", 1, -3, 0xFFFF_FFFF),  # 19
        )
    )
    btf = Btf(raw(types, strings))
    assert len(btf) == 20
    assert [btf.type(number).kind for number in range(20)] == list(Kind)
    assert btf.type(6).values == (("name", -2),)
    assert btf.type(19).values == (("name", -3),)
    assert btf.size(11) == 24  # restrict const volatile typedef of an array of 3 pointers
    assert btf.size(16) == 8
    assert btf.type(15).variables[0].size == 4


def test_bit_fields_keep_their_place() -> None:
    member = struct.pack("<III", 0, 1, 3 << 24 | 5)
    types = head(Kind.INT, size=4) + struct.pack("<I", 32) + head(Kind.STRUCT, 1, 4, flag=True) + member
    found = Btf(raw(types)).type(2).members[0]
    assert (found.bit_offset, found.bit_size) == (5, 3)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        bytes(24),
        raw(b"")[:23],
        raw(b"abc"),
        raw(head(Kind.INT)),
        raw(head(Kind.STRUCT, 3)),
        raw(struct.pack("<III", 0, 31 << 24, 0)),
        raw(head(Kind.INT, name=99) + bytes(4)),
    ],
)
def test_broken_types_are_refused(broken: bytes) -> None:
    with pytest.raises(InputError):
        Btf(broken).type(1)


def test_a_type_that_holds_itself_is_refused() -> None:
    with pytest.raises(InputError, match="itself"):
        Btf(raw(head(Kind.TYPEDEF, size=1))).bare(1)
    with pytest.raises(InputError, match="itself"):
        Btf(raw(head(Kind.ARRAY) + struct.pack("<III", 1, 1, 1))).size(1)
    itself = head(Kind.STRUCT, 1, 8) + struct.pack("<III", 1, 1, 0)
    with pytest.raises(LayoutError, match="itself"):
        type_dtype(Btf(raw(itself, b"\0x\0")), 1)


FLIPS = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 7)), min_size=1, max_size=8)


@given(FLIPS, st.integers(0, 1 << 20), st.booleans())
def test_flipped_bits_are_refused_or_read(
    types: bytes, flips: list[tuple[int, int]], length: int, truncated: bool
) -> None:
    broken = bytearray(types)
    for at, bit in flips:
        broken[at % len(broken)] ^= 1 << bit
    try:
        btf = Btf(bytes(broken[: length % len(broken)] if truncated else broken))
        for number in range(len(btf)):
            btf.type(number)
        for name in ("row", "settings", "note", "wide"):
            struct_dtype(btf, name)
    except InputError:
        pass
