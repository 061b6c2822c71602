"""Loads every program of a BPF object into this kernel and prints the verifier's verdict on each.

Stands alone (no package of ours, no NumPy), so that it shows what the kernel says and not what our loader does.
Runs on the machine itself (root) or in a guest: tools/vm/try.py. Formats: linux/bpf.h, linux/btf.h, ELF.
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SYS_BPF = 321 if platform.machine() == "x86_64" else 280
MAP_CREATE, PROG_LOAD, BTF_LOAD = 0, 5, 18
SK_STORAGE, RINGBUF, ARRAY = 24, 27, 2
NO_BTF_MAPS = {22, 23, 27, 12, 13}  # queue, stack, ring buffer, maps of maps
LOG_BYTES = 16 << 20
TAIL = int(os.environ.get("TAIL", "40"))

# section: program type, expected attach type
KINDS = {
    "cgroup_skb/ingress": (8, 0),
    "cgroup_skb/egress": (8, 1),
    "sockops": (13, 3),
    "cgroup/sock_create": (9, 2),
    "cgroup/sock_release": (9, 34),
    "cgroup/connect4": (18, 10),
    "cgroup/connect6": (18, 11),
    "cgroup/sendmsg4": (18, 14),
    "cgroup/sendmsg6": (18, 15),
    "raw_tp": (17, 0),
    "socket": (1, 0),
}

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), 128))
    result: int = libc.syscall(SYS_BPF, command, buffer, len(buffer))
    return result if result >= 0 else -ctypes.get_errno()


@dataclass
class Section:
    name: str
    kind: int
    flags: int
    link: int
    info: int
    data: bytes
    size: int


@dataclass
class Symbol:
    name: str
    info: int
    section: int
    value: int
    size: int


@dataclass
class Btf:
    raw: bytearray
    at: list[int] = field(default_factory=lambda: [0])  # offset of each type

    def __post_init__(self) -> None:
        header, self.types, type_bytes, self.strings, _ = struct.unpack_from("<4x5I", self.raw)
        self.types += header
        self.strings += header
        at = self.types
        while at < self.types + type_bytes:
            self.at.append(at)
            _, info, _ = struct.unpack_from("<3I", self.raw, at)
            count, kind = info & 0xFFFF, info >> 24 & 31
            per = {1: 4, 3: 12, 4: 12 * count, 5: 12 * count, 6: 8 * count, 13: 8 * count, 14: 4, 15: 12 * count}
            at += 12 + per.get(kind, {17: 4, 19: 12 * count}.get(kind, 0))

    def type(self, number: int) -> tuple[str, int, int, int, int]:
        """Return name, kind, count, size or type, and where what follows begins."""
        at = self.at[number]
        name, info, size = struct.unpack_from("<3I", self.raw, at)
        return self.text(name), info >> 24 & 31, info & 0xFFFF, size, at + 12

    def text(self, offset: int) -> str:
        start = self.strings + offset
        return self.raw[start : self.raw.index(0, start)].decode()

    def size(self, number: int) -> int:
        _, kind, _, size, rest = self.type(number)
        if kind in {1, 4, 5, 6, 16, 19}:
            return size
        if kind == 2:
            return 8
        if kind == 3:
            of, _, count = struct.unpack_from("<3I", self.raw, rest)
            return self.size(of) * int(count)
        return self.size(size)

    def members(self, number: int) -> dict[str, int]:
        _, _, count, _, rest = self.type(number)
        found = (struct.unpack_from("<3I", self.raw, rest + 12 * i) for i in range(count))
        return {self.text(name): of for name, of, _ in found}

    def behind(self, number: int) -> int:
        """Return the type a pointer points to."""
        return self.type(number)[3]

    def length(self, number: int) -> int:
        """Return n of int (*x)[n]."""
        return int(struct.unpack_from("<3I", self.raw, self.type(self.behind(number))[4])[2])

    def datasec(self, wanted: str) -> Iterator[tuple[str, int]]:
        """Yield name and type of the variables of a section."""
        for number in range(1, len(self.at)):
            name, kind, count, _, rest = self.type(number)
            if kind == 15 and name == wanted:
                for i in range(count):
                    variable = struct.unpack_from("<I", self.raw, rest + 12 * i)[0]
                    yield self.type(variable)[0], self.type(variable)[3]

    def complete(self, sections: dict[str, int], values: dict[str, int]) -> None:
        """Write sizes of sections and offsets of variables, which the compiler leaves to the loader."""
        for number in range(1, len(self.at)):
            name, kind, count, _, rest = self.type(number)
            if kind != 15:
                continue
            struct.pack_into("<I", self.raw, rest - 4, sections.get(name, 0))
            entries = []
            for i in range(count):
                variable, _, size = struct.unpack_from("<3I", self.raw, rest + 12 * i)
                entries.append((values.get(self.type(variable)[0], 0), variable, size or self.size(variable)))
            for i, (offset, variable, size) in enumerate(sorted(entries)):
                struct.pack_into("<3I", self.raw, rest + 12 * i, variable, offset, size)


class Object:
    def __init__(self, elf: bytes) -> None:
        offset, size, count, names = struct.unpack_from("<Q10xHHH", elf, 0x28)
        heads = [struct.unpack_from("<IIQQQQIIQQ", elf, offset + i * size) for i in range(count)]

        def text(at: int) -> str:
            return elf[at : elf.index(b"\0", at)].decode()

        self.sections = [
            Section(
                text(heads[names][4] + h[0]),
                h[1],
                h[2],
                h[6],
                h[7],
                b"" if h[1] == 8 else elf[h[4] : h[4] + h[5]],
                h[5],
            )
            for h in heads
        ]
        table = next(i for i, s in enumerate(self.sections) if s.kind == 2)
        strings = heads[self.sections[table].link][4]
        self.symbols = []
        for i in range(0, self.sections[table].size, 24):
            name, info, _, index, value, length = struct.unpack_from("<IBBHQQ", self.sections[table].data, i)
            self.symbols.append(Symbol(text(strings + name), info, index, value, length))
        self.btf = Btf(bytearray(self.named(".BTF").data))
        values = {s.name: s.value for s in self.symbols if s.name}
        self.btf.complete({s.name: s.size for s in self.sections}, values)
        self.maps: dict[str, int] = {}
        self.btf_fd = 0
        self.lines = self.source_lines()

    def source_lines(self) -> dict[str, list[tuple[int, int, int, int]]]:
        """Return offset in bytes, file, text and line number, by section: the log quotes the source."""
        data = self.named(".BTF.ext").data
        header, _, _, at, size = struct.unpack_from("<4x5I", data)
        at += header
        end, record = at + size, struct.unpack_from("<I", data, at)[0]
        at += 4
        found: dict[str, list[tuple[int, int, int, int]]] = {}
        while at < end:
            name, count = struct.unpack_from("<II", data, at)
            at += 8
            found[self.btf.text(name)] = [struct.unpack_from("<4I", data, at + i * record) for i in range(count)]
            at += count * record
        return found

    def named(self, name: str) -> Section:
        return next(s for s in self.sections if s.name == name)

    def functions(self, section: int) -> list[Symbol]:
        return [s for s in self.symbols if s.section == section and s.info & 15 == 2]

    def relocations(self, section: int) -> dict[int, tuple[int, Symbol]]:
        found = {}
        for each in self.sections:
            if each.kind == 9 and each.info == section:
                for i in range(0, each.size, 16):
                    at, info = struct.unpack_from("<QQ", each.data, i)
                    found[at // 8] = (info & 0xFFFFFFFF, self.symbols[info >> 32])
        return found

    # --- maps ---------------------------------------------------------------------------------

    def make_maps(self, btf: int) -> None:
        self.btf_fd = btf
        for name, number in self.btf.datasec(".maps"):
            members = self.btf.members(number)
            kind, flags, entries = (
                self.btf.length(members[m]) if m in members else 0 for m in ("type", "map_flags", "max_entries")
            )
            key, value = (self.btf.behind(members[m]) if m in members else 0 for m in ("key", "value"))
            key_size, value_size = (
                self.btf.length(members[m]) if m in members else self.btf.size(t) if t else 0
                for m, t in (("key_size", key), ("value_size", value))
            )
            typed = (0, 0, 0) if kind in NO_BTF_MAPS else (btf, key, value)
            self.maps[name] = self.make_map(name, kind, key_size, value_size, entries, flags, typed)
        for section in self.sections:
            if section.name.startswith((".rodata", ".data", ".bss")) and section.size:
                made = self.make_map(section.name, ARRAY, 4, section.size, 1, 0, (0, 0, 0))
                self.maps[section.name] = made
                content = ctypes.create_string_buffer(section.data, section.size)
                zero = ctypes.c_uint32(0)
                pointers = struct.pack("<IxxxxQQQ", made, ctypes.addressof(zero), ctypes.addressof(content), 0)
                bpf(2, pointers)

    @staticmethod
    def make_map(
        name: str, kind: int, key: int, value: int, entries: int, flags: int, typed: tuple[int, int, int]
    ) -> int:
        title = name.replace(".", "_").encode()[:15].ljust(16, b"\0")
        head = struct.pack("<5I", kind, key, value, entries, flags) + struct.pack("<II", 0, 0) + title
        made = bpf(MAP_CREATE, head + struct.pack("<I", 0) + struct.pack("<3I", *typed))
        if made < 0:
            print(f"map {name}: not made: {os.strerror(-made)}")
        return made

    # --- programs -----------------------------------------------------------------------------

    def link(self, section: int, entry: Symbol) -> tuple[bytes, bytes]:
        """Return the instructions of a function and of all it calls in .text, and their lines in the source."""
        lines = bytearray()
        placed: dict[tuple[int, int], int] = {}
        code = bytearray()
        calls: list[tuple[int, int, int]] = []  # place of the call, section and offset of what is called

        def place(index: int, symbol: Symbol) -> None:
            placed[index, symbol.value] = len(code) // 8
            base, first = len(code), symbol.value // 8
            code.extend(self.sections[index].data[symbol.value : symbol.value + symbol.size])
            for offset, file, line, number in self.lines.get(self.sections[index].name, []):
                if symbol.value <= offset < symbol.value + symbol.size:
                    lines.extend(struct.pack("<4I", (base + offset - symbol.value) // 8, file, line, number))
            relocations = self.relocations(index)
            for at in range(symbol.size // 8):
                where = base + at * 8
                operation, registers, _, imm = struct.unpack_from("<BBhi", code, where)
                kind, target = relocations.get(first + at, (0, None))
                if operation == 0x85 and registers >> 4 == 1:
                    if target is None:
                        calls.append((where, index, (first + at + 1 + imm) * 8))
                    else:
                        calls.append((where, target.section, target.value + (imm + 1) * 8))
                elif target is not None and kind == 1:
                    name = self.sections[target.section].name
                    pseudo, follow = (1, 0) if name == ".maps" else (2, target.value + imm)
                    fd = self.maps.get(target.name if name == ".maps" else name, -1)
                    struct.pack_into("<BBhi", code, where, operation, registers & 15 | pseudo << 4, 0, fd)
                    struct.pack_into("<i", code, where + 12, follow)

        place(section, entry)
        done = 0
        while done < len(calls):
            where, index, value = calls[done]
            if (index, value) not in placed:
                place(index, next(f for f in self.functions(index) if f.value == value))
            struct.pack_into("<i", code, where + 4, placed[index, value] - where // 8 - 1)
            done += 1
        return bytes(code), bytes(lines)

    def verify(self, section: int, entry: Symbol) -> bool:
        title = self.sections[section].name
        known = [name for name in KINDS if title == name or title.startswith(f"{name}/")]
        if not known:
            print(f"{title}: {entry.name}: not tried (no known kind)")
            return True
        kind, attach = KINDS[known[0]]
        code, lines = self.link(section, entry)
        before = time.monotonic()
        result, log = self.load(kind, attach, code, lines, 4, entry.name)
        took = time.monotonic() - before
        if result >= 0:
            words = next((line for line in log.splitlines() if "processed" in line), "")
            print(f"{title}: {entry.name}: accepted, {len(code) // 8} instructions, {took:.2f} s; {words}")
            return True
        _, log = self.load(kind, attach, code, lines, 1, entry.name)
        tail = "\n".join(log.splitlines()[-TAIL:])
        print(f"{title}: {entry.name}: REFUSED ({os.strerror(-result)}), {len(code) // 8} instructions\n{tail}\n")
        return False

    def load(self, kind: int, attach: int, code: bytes, lines: bytes, level: int, name: str) -> tuple[int, str]:
        source = ctypes.create_string_buffer(lines, len(lines))
        instructions = ctypes.create_string_buffer(code, len(code))
        text = ctypes.create_string_buffer(b"Dual BSD/GPL")
        log = ctypes.create_string_buffer(LOG_BYTES)
        head = struct.pack("<IIQQ", kind, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(text))
        head += struct.pack("<IIQII", level, LOG_BYTES, ctypes.addressof(log), 0, 0)
        head += name.encode()[:15].ljust(16, b"\0") + struct.pack("<II", 0, attach)
        if self.btf_fd:
            head += struct.pack("<IIQII", self.btf_fd, 0, 0, 0, 16)
            head += struct.pack("<QI", ctypes.addressof(source), len(lines) // 16)
        return bpf(PROG_LOAD, head), log.value.decode(errors="replace")


def load_btf(raw: bytes) -> int:
    data = ctypes.create_string_buffer(raw, len(raw))
    log = ctypes.create_string_buffer(1 << 20)
    made = bpf(BTF_LOAD, struct.pack("<QQIII", ctypes.addressof(data), 0, len(raw), 0, 0))
    if made < 0:
        where = ctypes.addressof(log)
        bpf(BTF_LOAD, struct.pack("<QQIII", ctypes.addressof(data), where, len(raw), 1 << 20, 1))
        tail = "\n".join(log.value.decode(errors="replace").splitlines()[-10:])
        print(f"BTF: REFUSED ({os.strerror(-made)})\n{tail}")
    return max(made, 0)


def main(path: str) -> int:
    with contextlib.suppress(ValueError):  # not allowed here; before 5.11 maps would not be made
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(f"--- {platform.release()}")
    made = Object(Path(path).read_bytes())
    made.make_maps(load_btf(bytes(made.btf.raw)))
    good = min(made.maps.values(), default=0) >= 0
    for index, section in enumerate(made.sections):
        if section.flags & 4 and section.name != ".text":
            for function in made.functions(index):
                good &= made.verify(index, function)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/guest/object.bpf.o"))
