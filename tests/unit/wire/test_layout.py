import struct

import numpy as np
import pytest

from kindling.errors import LayoutError
from kindling.wire.btf import Btf, Kind
from kindling.wire.layout import enum_values, struct_dtype, type_dtype
from unit.wire.test_btf import head, raw


def test_members_lie_where_the_compiler_put_them(btf: Btf) -> None:
    dtype = struct_dtype(btf, "row")
    assert dtype.itemsize == 32
    fields = dtype.fields
    assert fields
    assert [(name, fields[name][1]) for name in dtype.names or ()] == [("head", 0), ("count", 16), ("sum", 24)]
    assert dtype["head"].names == ("gen", "live", "id")


def test_values_are_what_c_would_read(btf: Btf) -> None:
    content = struct.pack("<IIQQQ", 1, 2, 3, 4, 5) + struct.pack("<IIQQQ", 6, 7, 8, 9, 10)
    rows = np.frombuffer(content, struct_dtype(btf, "row"))
    assert rows["head"]["id"].tolist() == [3, 8]
    assert rows["sum"].tolist() == [5, 10]


def test_arrays_and_nested_structures(btf: Btf) -> None:
    settings = np.zeros((), struct_dtype(btf, "settings"))
    settings["list"][1] = 0x1234
    assert settings.tobytes() == bytes(10) + b"\x34\x12" + bytes(4)
    wide = struct_dtype(btf, "wide")
    assert wide["more"].shape == (240,)
    assert wide["note"]["sum"] == np.dtype("<u8")


def test_constants_of_an_enumeration() -> None:
    types = head(Kind.ENUM, 2, 4, 1) + struct.pack("<IIII", 5, 0, 9, 7)
    assert enum_values(Btf(raw(types, b"\0lie\0ONE\0TWO\0")), "lie") == {"ONE": 0, "TWO": 7}


def of(*types: bytes, strings: bytes = b"\0char\0x\0y\0", last: int = 0) -> np.dtype[np.generic]:
    btf = Btf(raw(b"".join(types), strings))
    return type_dtype(btf, last or len(btf) - 1)


INT = head(Kind.INT, size=4) + struct.pack("<I", 32)
CHAR = head(Kind.INT, size=1, name=1) + struct.pack("<I", 1 << 24 | 8)
BOOL = head(Kind.INT, size=1) + struct.pack("<I", 4 << 24 | 8)


def test_each_kind_of_number() -> None:
    assert of(INT) == np.dtype("<u4")
    assert of(CHAR) == np.dtype("<i1")
    assert of(BOOL) == np.dtype("?")
    assert of(head(Kind.PTR)) == np.dtype("<u8")
    assert of(head(Kind.FLOAT, size=8)) == np.dtype("<f8")
    assert of(head(Kind.ENUM, size=4, flag=True)) == np.dtype("<i4")
    assert of(CHAR, head(Kind.ARRAY) + struct.pack("<III", 1, 1, 16)) == np.dtype("S16")
    assert of(INT, head(Kind.UNION, 2, 4) + struct.pack("<IIIIII", 6, 1, 0, 8, 1, 0)).itemsize == 4


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (struct.pack("<III", 6, 1, 3 << 24), "bit field"),
        (struct.pack("<III", 0, 1, 0), "without a name"),
        (struct.pack("<III", 6, 1, 8 * 6), "beyond"),
    ],
)
def test_what_cannot_cross_is_refused(member: bytes, why: str) -> None:
    with pytest.raises(LayoutError, match=why):
        of(INT, head(Kind.STRUCT, 1, 8, flag=True) + member)


def test_two_members_of_one_name_are_refused() -> None:
    with pytest.raises(LayoutError, match="one name"):
        of(INT, head(Kind.STRUCT, 2, 8) + struct.pack("<IIIIII", 6, 1, 0, 6, 1, 32))


def test_types_without_a_layout_are_refused() -> None:
    with pytest.raises(LayoutError, match="func_proto"):
        of(head(Kind.FUNC_PROTO))
    with pytest.raises(LayoutError, match="GiB"):
        of(INT, head(Kind.ARRAY) + struct.pack("<III", 1, 1, 1 << 30))
