"""From a structure in an object's BTF to the NumPy dtype that reads it in place: no layout is written twice."""

from __future__ import annotations

from typing import Final

import numpy as np

from kindling.errors import LayoutError
from kindling.wire.btf import DEEPEST, Btf, Kind, Type


def struct_dtype(btf: Btf, name: str) -> np.dtype[np.void]:
    """Return the dtype of `struct name`: members with their offsets, nested structures and arrays as such.

    `char x[n]` becomes bytes without the zeros at its end; `__u8 x[n]` an array of n numbers.
    """
    return _record(btf, btf.find(Kind.STRUCT, name), 0)


def type_dtype(btf: Btf, number: int) -> np.dtype[np.generic]:
    """Return the dtype of any type that has a size."""
    return _dtype(btf, number, 0)


def enum_values(btf: Btf, name: str) -> dict[str, int]:
    """Return the constants of `enum name`."""
    kind = Kind.ENUM64 if btf.has(Kind.ENUM64, name) else Kind.ENUM
    return dict(btf.find(kind, name).values)


LARGEST: Final = 1 << 30
"""Bytes of one value; NumPy itself counts no further than twice that."""


def _record(btf: Btf, found: Type, depth: int) -> np.dtype[np.void]:
    if found.size > LARGEST:
        raise _too_large(found.name)
    names: list[str] = []
    formats: list[np.dtype[np.generic]] = []
    offsets: list[int] = []
    for member in found.members:
        if member.bit_size or member.bit_offset % 8:
            raise LayoutError(f"{found.name}.{member.name} is a bit field, which does not cross to user space.")
        if not member.name:
            raise LayoutError(f"{found.name} holds a structure without a name, which does not cross to user space.")
        dtype = _dtype(btf, member.type, depth + 1)
        if member.bit_offset // 8 + dtype.itemsize > found.size:
            raise LayoutError(f"{found.name}.{member.name} reaches beyond the structure's {found.size} bytes.")
        names.append(member.name)
        formats.append(dtype)
        offsets.append(member.bit_offset // 8)
    if len(set(names)) != len(names):
        raise LayoutError(f"{found.name} has two members of one name.")
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": found.size})


def _dtype(btf: Btf, number: int, depth: int) -> np.dtype[np.generic]:
    if depth > DEEPEST:
        raise LayoutError("A structure holds itself.")
    found = btf.bare(number)
    if found.kind in {Kind.STRUCT, Kind.UNION}:
        return _record(btf, found, depth)
    if found.kind == Kind.ARRAY:
        element = btf.bare(found.to)
        if btf.size(number) > LARGEST:
            raise _too_large("an array")
        if element.kind == Kind.INT and element.name == "char":
            return np.dtype(f"S{found.count}")
        return np.dtype((_dtype(btf, found.to, depth + 1), (found.count,)))
    if found.kind == Kind.PTR:
        return np.dtype("<u8")
    if found.kind in {Kind.INT, Kind.ENUM, Kind.ENUM64} and found.size in {1, 2, 4, 8}:
        if found.boolean:
            return np.dtype("?")
        return np.dtype(f"<{'i' if found.signed else 'u'}{found.size}")
    if found.kind == Kind.FLOAT and found.size in {4, 8}:
        return np.dtype(f"<f{found.size}")
    raise LayoutError(f"A {found.kind.name.lower()} {found.name!r} of {found.size} bytes does not cross to user space.")


def _too_large(what: str) -> LayoutError:
    return LayoutError(f"More than 1 GiB ({what}) does not cross to user space.")
