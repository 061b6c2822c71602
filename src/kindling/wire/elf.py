"""ELF64, little endian, relocatable: sections, symbols and relocations of a compiled BPF object.

Facts: the System V ABI, chapter 4 ("Object Files"), https://gabi.xinuos.com; relocation types from the kernel's
Documentation/bpf/llvm_reloc.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from kindling.errors import InputError

MACHINE_BPF = 247
RELOCATABLE = 1

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQ")


class SectionKind(IntEnum):
    PROGBITS = 1
    SYMTAB = 2
    STRTAB = 3
    NOBITS = 8
    REL = 9


EXECUTABLE = 4
"""Section flag: holds instructions."""


class SymbolKind(IntEnum):
    NOTYPE = 0
    OBJECT = 1
    FUNCTION = 2
    SECTION = 3


class RelocationKind(IntEnum):
    """Of BPF objects; others serve debuggers only."""

    LOAD = 1
    """R_BPF_64_64: the address in a 16-byte load."""
    CALL = 10
    """R_BPF_64_32: the target of a call."""


@dataclass(frozen=True, slots=True)
class Section:
    index: int
    name: str
    kind: int
    flags: int
    link: int
    info: int
    size: int
    data: bytes
    """Empty for a section that only takes room (.bss), and for what only debuggers read."""


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str
    kind: int
    section: int
    value: int
    size: int


@dataclass(frozen=True, slots=True)
class Relocation:
    offset: int
    kind: int
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Elf:
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    def section(self, name: str) -> Section | None:
        """Return the first section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    def functions(self, section: Section) -> Iterator[Symbol]:
        for symbol in self.symbols:
            if symbol.kind == SymbolKind.FUNCTION and symbol.section == section.index:
                yield symbol

    def relocations(self, section: Section) -> Iterator[Relocation]:
        """Relocations of what a section holds, in the order of the file."""
        for table in self.sections:
            if table.kind != SectionKind.REL or table.info != section.index:
                continue
            if table.size % _RELOCATION.size:
                raise _broken(f"the relocations {table.name} are cut off")
            for offset, info in _RELOCATION.iter_unpack(table.data):
                number = info >> 32
                if number >= len(self.symbols):
                    raise _broken(f"{table.name} names symbol {number} of {len(self.symbols)}")
                yield Relocation(offset, info & 0xFFFF_FFFF, self.symbols[number])


def parse(data: bytes) -> Elf:
    """Read a relocatable BPF object. Raises InputError when it is none or is broken."""
    if len(data) < _HEADER.size or data[:4] != b"\x7fELF":
        raise _broken("it is no ELF file")
    ident, kind, machine, _, _, _, at, _, _, _, _, size, count, names = _HEADER.unpack_from(data)
    if ident[4] != 2 or ident[5] != 1:
        raise _broken("it is not 64 bits, little endian")
    if kind != RELOCATABLE or machine != MACHINE_BPF:
        raise _broken(f"type {kind} for machine {machine} is no BPF object")
    if size != _SECTION.size or not count or at + size * count > len(data) or names >= count:
        raise _broken("its table of sections is cut off")
    heads = [_SECTION.unpack_from(data, at + size * index) for index in range(count)]
    titles = _content(data, heads[names])
    sections = tuple(
        Section(
            index,
            _text(titles, head[0]),
            head[1],
            head[2],
            head[6],
            head[7],
            head[5],
            b"" if head[1] == SectionKind.NOBITS or _for_debuggers(_text(titles, head[0])) else _content(data, head),
        )
        for index, head in enumerate(heads)
    )
    return Elf(sections, tuple(_symbols(sections)))


def _symbols(sections: tuple[Section, ...]) -> Iterator[Symbol]:
    table = next((section for section in sections if section.kind == SectionKind.SYMTAB), None)
    if table is None:
        return
    if table.link >= len(sections) or table.size % _SYMBOL.size:
        raise _broken("its table of symbols is cut off")
    names = sections[table.link].data
    for name, info, _, section, value, size in _SYMBOL.iter_unpack(table.data):
        yield Symbol(_text(names, name), info & 15, section, value, size)


def _for_debuggers(name: str) -> bool:
    return name.removeprefix(".rel").startswith((".debug_", ".BTF.ext", ".eh_frame"))


def _content(data: bytes, head: tuple[int, ...]) -> bytes:
    _, kind, _, _, offset, size, *_ = head
    if not kind:
        return b""
    if offset + size > len(data):
        raise _broken("a section reaches beyond its end")
    return data[offset : offset + size]


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    if not 0 <= offset <= end:
        raise _broken("a name lies outside the table of names")
    return strings[offset:end].decode(errors="replace")


def _broken(why: str) -> InputError:
    return InputError(f"The probe's object cannot be read: {why}.", hint="Build it again with `make build`.")
