"""What an object holds, before any of it is in the kernel: maps as declared, programs with all they call."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kindling.capture.bpf.syscall import AttachType, MapType, ProgramType
from kindling.errors import InputError, LayoutError
from kindling.wire import elf
from kindling.wire.btf import Btf, Kind
from kindling.wire.layout import type_dtype

MAPS: Final = ".maps"
CODE: Final = ".text"
CONSTANTS: Final = ".rodata"

KINDS: Final[dict[str, tuple[ProgramType, int]]] = {
    "cgroup_skb/ingress": (ProgramType.CGROUP_SKB, AttachType.INGRESS),
    "cgroup_skb/egress": (ProgramType.CGROUP_SKB, AttachType.EGRESS),
    "sockops": (ProgramType.SOCK_OPS, AttachType.SOCK_OPS),
    "cgroup/sock_create": (ProgramType.CGROUP_SOCK, AttachType.SOCK_CREATE),
    "cgroup/sock_release": (ProgramType.CGROUP_SOCK, AttachType.SOCK_RELEASE),
    "cgroup/connect4": (ProgramType.CGROUP_SOCK_ADDR, AttachType.CONNECT4),
    "cgroup/connect6": (ProgramType.CGROUP_SOCK_ADDR, AttachType.CONNECT6),
    "raw_tp": (ProgramType.RAW_TRACEPOINT, 0),
    "socket": (ProgramType.SOCKET_FILTER, 0),
}
"""Section, or its first part: type of program, where it is attached."""

# Instructions: include/uapi/linux/bpf.h. A source register of these values marks what the number means.
_LOAD_16 = 0x18
_CALL = 0x85
_PSEUDO_MAP_FD = 1
_PSEUDO_MAP_VALUE = 2
_PSEUDO_CALL = 1
_INSTRUCTION = struct.Struct("<BBhi")


@dataclass(frozen=True, slots=True)
class MapSpec:
    """A map as the sources declare it."""

    name: str
    kind: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int
    value_type: int = 0
    """Of the object's BTF; 0: none was declared."""


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """A program with the functions it calls behind it; loads of maps still to be filled in."""

    name: str
    section: str
    kind: ProgramType
    attach: int
    code: bytes
    loads: tuple[tuple[int, str, int, int], ...]
    """Offset of the instruction, map, pseudo register, offset within the map's value."""
    array: tuple[str, int] | None = None
    """Not attached but called by others: map of programs, and index in it. From a section named
    "attach point/map/index"."""

    @property
    def expected(self) -> int:
        """Attach type to load with. Ingress for egress too: since 6.18 programs that call each other through one
        array must agree on it, and for packets the kernel takes any (bpf_prog_attach_check_attach_type()).
        """
        return AttachType.INGRESS if self.kind == ProgramType.CGROUP_SKB else self.attach

    @property
    def instructions(self) -> int:
        return len(self.code) // 8

    def linked(self, maps: Mapping[str, int]) -> bytes:
        """Return the code with the descriptors of the maps in it."""
        code = bytearray(self.code)
        for at, name, pseudo, follow in self.loads:
            operation, registers, _, _ = _INSTRUCTION.unpack_from(code, at)
            _INSTRUCTION.pack_into(code, at, operation, registers & 15 | pseudo << 4, 0, maps[name])
            struct.pack_into("<i", code, at + 12, follow)
        return bytes(code)


@dataclass(slots=True)
class BpfObject:
    """A compiled object. Raises InputError or LayoutError when it is broken or needs what this loader lacks."""

    elf: elf.Elf
    btf: Btf
    license: str
    maps: dict[str, MapSpec]
    programs: dict[str, ProgramSpec]
    data: dict[str, bytearray] = field(default_factory=dict)
    """Content of the sections of constants and variables, by the name of their map."""

    @classmethod
    def parse(cls, raw: bytes) -> BpfObject:
        image = elf.parse(raw)
        types = image.section(".BTF")
        if types is None:
            raise InputError("The probe's object has no type information.", hint="Compile it with -g.")
        btf = Btf(types.data)
        maps = {spec.name: spec for spec in _declared_maps(image, btf)}
        data = {}
        for section in image.sections:
            if _is_data(section.name) and section.size:
                data[section.name] = bytearray(section.data or bytes(section.size))
                maps[section.name] = MapSpec(section.name, MapType.ARRAY, 4, section.size, 1, 0)
        programs = {spec.name: spec for spec in _Linker(image).programs()}
        for spec in programs.values():
            for _, name, _, follow in spec.loads:
                if name not in maps or not 0 <= follow < max(1, len(data.get(name, b""))):
                    raise InputError(f"{spec.name} uses {name!r}, which is not declared so.", hint="`make build`.")
        text = image.section("license")
        return cls(
            image, btf, (text.data if text else b"").partition(b"\0")[0].decode(errors="replace"), maps, programs, data
        )

    def constant(self, name: str) -> NDArray[np.void]:
        """Return a `const volatile` variable (no dimensions), to be set before the object is loaded."""
        symbol = next((s for s in self.elf.symbols if s.name == name and s.kind == elf.SymbolKind.OBJECT), None)
        section = self.elf.sections[symbol.section].name if symbol and symbol.section < len(self.elf.sections) else ""
        if symbol is None or section not in self.data:
            raise LayoutError(f"The probe's object has no variable {name!r}.", hint="Build it again: `make build`.")
        variable = self.btf.find(Kind.VAR, name)
        dtype = type_dtype(self.btf, variable.to)
        if symbol.value + dtype.itemsize > len(self.data[section]):
            raise LayoutError(f"The variable {name!r} reaches beyond its section.", hint="`make build`.")
        return np.ndarray((), dtype, self.data[section], symbol.value)


def _is_data(section: str) -> bool:
    return section.split(".")[1:2] in (["rodata"], ["data"], ["bss"]) and section.startswith(".")


def _declared_maps(image: elf.Elf, btf: Btf) -> Iterator[MapSpec]:
    if image.section(MAPS) is None:
        return
    for place in btf.find(Kind.DATASEC, MAPS).variables:
        variable = btf.type(place.type)
        members = {member.name: member.type for member in btf.bare(variable.to).members}

        def number(name: str, *, members: dict[str, int] = members) -> int:
            """Return n of `int (*name)[n]`."""
            if name not in members:
                return 0
            return btf.bare(btf.bare(members[name]).to).count

        def size(name: str, *, members: dict[str, int] = members) -> int:
            return btf.size(btf.bare(members[name]).to) if name in members else 0

        yield MapSpec(
            variable.name,
            number("type"),
            number("key_size") or size("key"),
            number("value_size") or size("value"),
            number("max_entries"),
            number("map_flags"),
            btf.bare(members["value"]).to if "value" in members else 0,
        )


class _Linker:
    """Puts a program and the functions it calls into one piece, as the kernel wants them."""

    def __init__(self, image: elf.Elf) -> None:
        self._elf = image
        self._relocations: dict[int, dict[int, elf.Relocation]] = {}
        self._functions: dict[tuple[int, int], elf.Symbol] = {
            (symbol.section, symbol.value): symbol for symbol in image.symbols if symbol.kind == elf.SymbolKind.FUNCTION
        }

    def programs(self) -> Iterator[ProgramSpec]:
        for section in self._elf.sections:
            if not section.flags & elf.EXECUTABLE or section.name == CODE:
                continue
            parts = section.name.split("/")
            known = KINDS.get("/".join(parts[:2])) or KINDS.get(parts[0])
            array = (parts[2], int(parts[3])) if len(parts) == 4 and parts[3].isdecimal() else None
            for symbol in self._elf.functions(section):
                if known is None:
                    raise InputError(f"The program {symbol.name} is in a section of no known kind: {section.name}.")
                code, loads = self._link(symbol)
                yield ProgramSpec(symbol.name, section.name, known[0], known[1], code, loads, array)

    def _link(self, entry: elf.Symbol) -> tuple[bytes, tuple[tuple[int, str, int, int], ...]]:
        code = bytearray()
        loads: list[tuple[int, str, int, int]] = []
        calls: list[tuple[int, tuple[int, int]]] = []
        placed: dict[tuple[int, int], int] = {}
        waiting = [(entry.section, entry.value)]
        while waiting:
            key = waiting.pop(0)
            if key in placed:
                continue
            placed[key] = len(code)
            found = self._place(key, len(code), loads)
            code += found[0]
            calls += found[1]
            waiting += [target for _, target in found[1]]
        for at, target in calls:
            struct.pack_into("<i", code, at + 4, (placed[target] - at) // 8 - 1)
        return bytes(code), tuple(loads)

    def _place(
        self, key: tuple[int, int], base: int, loads: list[tuple[int, str, int, int]]
    ) -> tuple[bytes, list[tuple[int, tuple[int, int]]]]:
        """Return a function's code and its calls: where, and section and offset of what is called."""
        function = self._functions.get(key)
        if function is None or not function.size or function.size % 8:
            raise InputError("A program of the probe's object calls what is no function.", hint="`make build`.")
        section = self._elf.sections[key[0]]
        code = section.data[function.value : function.value + function.size]
        if len(code) != function.size:
            raise InputError(f"The function {function.name} is cut off.", hint="`make build`.")
        relocations = self._of_section(section)
        calls = []
        skip = False
        for at in range(0, len(code), 8):
            if skip:
                skip = False
                continue
            operation, registers, _, number = _INSTRUCTION.unpack_from(code, at)
            relocation = relocations.get(function.value + at)
            skip = operation == _LOAD_16
            if operation == _CALL and registers >> 4 == _PSEUDO_CALL:
                if relocation is None:
                    target = (function.section, function.value + at + (number + 1) * 8)
                else:
                    target = (relocation.symbol.section, relocation.symbol.value + (number + 1) * 8)
                calls.append((base + at, target))
            elif relocation is not None:
                if not skip or relocation.kind != elf.RelocationKind.LOAD or at + 16 > len(code):
                    raise InputError(f"{function.name} refers to {relocation.symbol.name} in a way not known here.")
                loads.append((base + at, *self._load(function, relocation.symbol, number)))
        return code, calls

    def _load(self, function: elf.Symbol, symbol: elf.Symbol, number: int) -> tuple[str, int, int]:
        """Return map, pseudo register and offset of what a load refers to."""
        if 0 < symbol.section < len(self._elf.sections):
            section = self._elf.sections[symbol.section].name
            if section == MAPS:
                return symbol.name, _PSEUDO_MAP_FD, 0
            if _is_data(section):
                return section, _PSEUDO_MAP_VALUE, symbol.value + number
        raise InputError(f"{function.name} refers to {symbol.name or 'something'} that the object does not hold.")

    def _of_section(self, section: elf.Section) -> dict[int, elf.Relocation]:
        if section.index not in self._relocations:
            self._relocations[section.index] = {each.offset: each for each in self._elf.relocations(section)}
        return self._relocations[section.index]
