"""Proves that every exit of every cgroup and sockops program in a BPF object returns 1.

Returning 0 drops the packet, refuses the connect or fails the socket of a user. So the build does not trust
the source: it decodes the compiled instructions and follows every path with the constants that registers hold
(an abstract interpretation: a register is a known constant or unknown; where paths meet, constants that differ
become unknown). An exit that can be reached with R0 other than the constant 1 is an error.

Subprograms (section .text) are exempt: what they return goes to their caller. Tracepoint programs are exempt:
nothing reads what they return. Sources: linux/bpf.h (instruction layout), the ELF specification.
"""

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MUST_RETURN_1 = ("cgroup", "sockops")

EXIT, CALL, JA, JEQ_IMM, JNE_IMM, WIDE_LOAD = 0x95, 0x85, 0x05, 0x15, 0x55, 0x18
CLASS_LD, CLASS_LDX, CLASS_ST, CLASS_STX, CLASS_ALU, CLASS_JMP, CLASS_JMP32, CLASS_ALU64 = range(8)
MOV, MOV_IMM, MOV_REG = 0xB0, 0x00, 0x08
ATOMIC, FETCH = 0xC0, 0x01
SHF_EXECINSTR, SHT_SYMTAB, STT_FUNC = 0x4, 2, 2

Registers = tuple[int | None, ...]  # eleven; None: unknown
UNKNOWN: Registers = (None,) * 11


@dataclass(frozen=True, slots=True)
class Instruction:
    code: int
    dst: int
    src: int
    offset: int
    imm: int

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        code, registers, offset, imm = struct.unpack("<BBhi", raw)
        return cls(code, registers & 15, registers >> 4, offset, imm)


@dataclass(frozen=True, slots=True)
class Program:
    section: str
    name: str
    start: int  # number of its first instruction in the section
    code: tuple[Instruction, ...]  # of the whole section


@dataclass(frozen=True, slots=True)
class BadExit:
    program: Program
    at: int
    value: int | None

    def __str__(self) -> str:
        value = "a value that is not constant" if self.value is None else str(self.value)
        return f"{self.program.section}: {self.program.name}: exit at instruction {self.at} returns {value}, not 1"


def programs(elf: bytes) -> Iterator[Program]:
    """Yield the functions of every executable section but .text."""
    if elf[:4] != b"\x7fELF" or elf[4] != 2 or elf[5] != 1:
        raise ValueError("not a little-endian ELF64 object")
    offset, size, count, names_index = struct.unpack_from("<Q10xHHH", elf, 0x28)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, offset + i * size) for i in range(count)]
    strings = headers[names_index][4]

    def text(at: int) -> str:
        return elf[at : elf.index(b"\0", at)].decode()

    for symtab in (header for header in headers if header[1] == SHT_SYMTAB):
        names = headers[symtab[6]][4]
        for at in range(symtab[4], symtab[4] + symtab[5], 24):
            name, info, _, index, value, _ = struct.unpack_from("<IBBHQQ", elf, at)
            if info & 15 != STT_FUNC or not 0 < index < count:
                continue
            section = headers[index]
            title = text(strings + section[0])
            if not section[2] & SHF_EXECINSTR or title == ".text":
                continue
            raw = elf[section[4] : section[4] + section[5]]
            code = tuple(Instruction.decode(raw[i : i + 8]) for i in range(0, len(raw), 8))
            yield Program(title, text(names + name), value // 8, code)


def bad_exits(program: Program) -> list[BadExit]:
    """Follow every path from the program's start; return each exit that may return anything but 1."""
    states: dict[int, Registers] = {}
    work = [(program.start, UNKNOWN)]
    while work:
        at, new = work.pop()
        if not 0 <= at < len(program.code):
            raise ValueError(f"{program.name}: a path runs out of its section at instruction {at}")
        old = states.get(at)
        merged = new if old is None else tuple(a if a == b else None for a, b in zip(old, new, strict=True))
        if merged != old:
            states[at] = merged
            work.extend(_step(program.code, at, merged))
    exits = ((at, registers[0]) for at, registers in states.items() if program.code[at].code == EXIT)
    return [BadExit(program, at, value) for at, value in sorted(exits, key=lambda e: e[0]) if value != 1]


def _step(code: tuple[Instruction, ...], at: int, registers: Registers) -> list[tuple[int, Registers]]:
    """Return the instructions that may run after this one, each with what the registers then hold."""
    one = code[at]
    kind = one.code & 7
    if one.code == EXIT:
        return []
    if one.code == CALL:
        return [(at + 1, (None,) * 6 + registers[6:])]
    if one.code == WIDE_LOAD:
        return [(at + 2, _put(registers, one.dst, None))]
    if kind in {CLASS_JMP, CLASS_JMP32}:
        if one.code == JA:
            return [(at + 1 + one.offset, registers)]
        if one.code & 0xF0 == 0:
            raise ValueError(f"unknown jump {one.code:#x} at instruction {at}")
        known = _put(registers, one.dst, one.imm)  # where the register equals the immediate
        taken = known if one.code == JEQ_IMM else registers
        fallen = known if one.code == JNE_IMM else registers
        return [(at + 1 + one.offset, taken), (at + 1, fallen)]
    return [(at + 1, _compute(one, kind, registers))]


def _compute(one: Instruction, kind: int, registers: Registers) -> Registers:
    if kind in {CLASS_ALU, CLASS_ALU64}:
        value = None
        if one.code & 0xF0 == MOV and one.offset == 0:
            value = registers[one.src] if one.code & MOV_REG else one.imm
        return _put(registers, one.dst, value)
    if kind == CLASS_LDX:
        return _put(registers, one.dst, None)
    if kind == CLASS_LD:  # the old packet loads set R0 and spoil R1 to R5
        return (None,) * 6 + registers[6:]
    if kind == CLASS_STX and one.code & 0xE0 == ATOMIC and one.imm & FETCH:
        return _put(_put(registers, one.src, None), 0, None)  # R0 for compare-and-exchange
    return registers


def _put(registers: Registers, index: int, value: int | None) -> Registers:
    return (*registers[:index], value, *registers[index + 1 :])


def prove(path: Path) -> tuple[int, list[BadExit]]:
    """Return how many programs were proved or not, and every bad exit."""
    found = [p for p in programs(path.read_bytes()) if p.section.startswith(MUST_RETURN_1)]
    return len(found), [bad for program in found for bad in bad_exits(program)]


def main(paths: list[str]) -> int:
    failed = False
    for path in paths:
        count, bad = prove(Path(path))
        for each in bad:
            print(f"{path}: {each}", file=sys.stderr)
        failed |= bool(bad)
        if not bad:
            print(f"{path}: every exit of {count} programs returns 1")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
