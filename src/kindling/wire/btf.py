"""BTF: the types of a compiled BPF object. Decoded one by one, when they are asked for.

Facts: the kernel's Documentation/bpf/btf.rst and include/uapi/linux/btf.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from kindling.errors import InputError, LayoutError

MAGIC = 0xEB9F
DEEPEST = 32
"""Type within type within type: more than any C source has; ends loops in broken input."""

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_TRIPLE = struct.Struct("<III")
_PAIR = struct.Struct("<II")


class Kind(IntEnum):
    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


# Bytes behind the head of a type: fixed, or each of as many as it says.
_FIXED = {Kind.INT: 4, Kind.ARRAY: 12, Kind.VAR: 4, Kind.DECL_TAG: 4}
_EACH = {
    Kind.STRUCT: 12,
    Kind.UNION: 12,
    Kind.ENUM: 8,
    Kind.FUNC_PROTO: 8,
    Kind.DATASEC: 12,
    Kind.ENUM64: 12,
}
_SIZED = frozenset({Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.DATASEC, Kind.FLOAT, Kind.ENUM64})
_TRANSPARENT = frozenset({Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG})


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    type: int
    bit_offset: int
    bit_size: int
    """0: no bit field."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable's place in its section; clang leaves both numbers 0 for what it does not know yet."""

    type: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Type:
    """One type; which fields mean something depends on its kind."""

    id: int
    kind: Kind
    name: str
    size: int = 0
    to: int = 0
    """The type referred to; of an array, its element."""
    count: int = 0
    """Elements of an array."""
    signed: bool = False
    boolean: bool = False
    members: tuple[Member, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    variables: tuple[Variable, ...] = ()


_VOID = Type(0, Kind.VOID, "void")


class Btf:
    """The types of one object. Raises InputError when they cannot be read."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size:
            raise _broken("its head is cut off")
        magic, version, _, header, types, type_bytes, strings, string_bytes = _HEADER.unpack_from(data)
        if magic != MAGIC or version != 1:
            raise _broken("it is none")
        if header + types + type_bytes > len(data) or header + strings + string_bytes > len(data):
            raise _broken("it is cut off")
        self._data = data
        self._strings = data[header + strings : header + strings + string_bytes]
        self._places = _scan(data, header + types, header + types + type_bytes)
        self._known: dict[int, Type] = {0: _VOID}

    def __len__(self) -> int:
        return len(self._places)

    def type(self, number: int) -> Type:
        known = self._known.get(number)
        if known is None:
            if not 0 < number < len(self._places):
                raise _broken(f"it names type {number} of {len(self._places)}")
            known = self._known[number] = self._decode(number)
        return known

    def find(self, kind: Kind, name: str) -> Type:
        """Return the type of that name. Raises LayoutError when there is none."""
        number = self._by_name.get((kind, name))
        if number is None:
            raise LayoutError(
                f"The probe's object has no {kind.name.lower()} {name!r}.",
                hint="It was built from other sources than this program: `make build`.",
            )
        return self.type(number)

    def has(self, kind: Kind, name: str) -> bool:
        return (kind, name) in self._by_name

    def bare(self, number: int) -> Type:
        """Return what a type is behind its typedefs, const and volatile."""
        for _ in range(DEEPEST):
            found = self.type(number)
            if found.kind not in _TRANSPARENT:
                return found
            number = found.to
        raise _broken("a type refers to itself")

    def size(self, number: int) -> int:
        """Bytes of a value of this type."""
        count = 1
        for _ in range(DEEPEST):
            found = self.bare(number)
            if found.kind == Kind.ARRAY:
                count *= found.count
                number = found.to
            elif found.kind == Kind.PTR:
                return count * 8
            elif found.kind in _SIZED:
                return count * found.size
            else:
                raise _broken(f"a {found.kind.name.lower()} has no size")
        raise _broken("an array holds itself")

    @cached_property
    def _by_name(self) -> dict[tuple[Kind, str], int]:
        names: dict[tuple[Kind, str], int] = {}
        for number, place in enumerate(self._places):
            if number:
                name, info, _ = _TYPE.unpack_from(self._data, place)
                if name:
                    names.setdefault((Kind(info >> 24 & 31), self._text(name)), number)
        return names

    def _decode(self, number: int) -> Type:
        place = self._places[number]
        name_at, info, size = _TYPE.unpack_from(self._data, place)
        kind, count, flag = Kind(info >> 24 & 31), info & 0xFFFF, bool(info >> 31)
        name, rest = self._text(name_at), place + _TYPE.size
        if kind == Kind.INT:
            (encoding,) = struct.unpack_from("<I", self._data, rest)
            encoding = encoding >> 24 & 15
            return Type(number, kind, name, size, signed=bool(encoding & 1), boolean=bool(encoding & 4))
        if kind == Kind.ARRAY:
            element, _, length = _TRIPLE.unpack_from(self._data, rest)
            return Type(number, kind, name, to=element, count=length)
        if kind in {Kind.STRUCT, Kind.UNION}:
            return Type(number, kind, name, size, members=self._members(rest, count, flag))
        if kind in {Kind.ENUM, Kind.ENUM64}:
            return Type(number, kind, name, size, signed=flag, values=self._values(kind, rest, count, flag))
        if kind == Kind.DATASEC:
            triples = (_TRIPLE.unpack_from(self._data, rest + 12 * index) for index in range(count))
            return Type(number, kind, name, size, variables=tuple(Variable(*triple) for triple in triples))
        if kind == Kind.FLOAT:
            return Type(number, kind, name, size)
        return Type(number, kind, name, to=size)

    def _members(self, rest: int, count: int, flag: bool) -> tuple[Member, ...]:
        members = []
        for index in range(count):
            name, of, offset = _TRIPLE.unpack_from(self._data, rest + 12 * index)
            bits, offset = (offset >> 24, offset & 0xFF_FFFF) if flag else (0, offset)
            members.append(Member(self._text(name), of, offset, bits))
        return tuple(members)

    def _values(self, kind: Kind, rest: int, count: int, signed: bool) -> tuple[tuple[str, int], ...]:
        values = []
        for index in range(count):
            if kind == Kind.ENUM:
                name, value = _PAIR.unpack_from(self._data, rest + 8 * index)
                bits = 32
            else:
                name, low, high = _TRIPLE.unpack_from(self._data, rest + 12 * index)
                value, bits = low | high << 32, 64
            if signed and value >> (bits - 1):
                value -= 1 << bits
            values.append((self._text(name), value))
        return tuple(values)

    def _text(self, offset: int) -> str:
        end = self._strings.find(b"\0", offset)
        if end < offset:
            raise _broken("a name lies outside the table of names")
        return self._strings[offset:end].decode(errors="replace")


def _scan(data: bytes, at: int, end: int) -> list[int]:
    """Return where each type begins; number 0 is void and has no place."""
    places = [0]
    while at < end:
        if at + _TYPE.size > end:
            raise _broken("a type is cut off")
        info = int.from_bytes(data[at + 4 : at + 8], "little")
        number = info >> 24 & 31
        if not 0 < number <= Kind.ENUM64:
            raise _broken(f"kind {number} is not known")
        kind = Kind(number)
        places.append(at)
        at += _TYPE.size + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
    if at != end:
        raise _broken("a type is cut off")
    return places


def _broken(why: str) -> InputError:
    return InputError(
        f"The type information (BTF) of the probe's object cannot be read: {why}.",
        hint="Build it again with `make build`.",
    )
