import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kindling.capture.bpf.program import BpfObject
from kindling.capture.bpf.syscall import AttachType, MapFlag, MapType, ProgramType
from kindling.errors import InputError, LayoutError

CALL_OWN = 0x1085  # operation and registers of a call of a function of the same program


def instructions(code: bytes) -> list[tuple[int, int, int]]:
    """Return operation with registers, offset and number of each."""
    return list(struct.iter_unpack("<Hhi", code))


def test_maps_are_as_declared(image: bytes) -> None:
    maps = BpfObject.parse(image).maps
    rows = maps["rows"]
    assert (rows.kind, rows.key_bytes, rows.value_bytes, rows.entries) == (MapType.ARRAY, 4, 32, 300)
    assert rows.flags == MapFlag.MMAPABLE
    assert (maps["free"].key_bytes, maps["free"].value_bytes) == (0, 4)
    assert (maps["events"].kind, maps["events"].value_bytes, maps["events"].entries) == (MapType.RINGBUF, 0, 4096)
    assert maps["sockets"].flags == MapFlag.NO_PREALLOC | MapFlag.CLONE
    assert (maps[".rodata"].kind, maps[".rodata"].entries) == (MapType.ARRAY, 1)


def test_programs_know_where_they_belong(image: bytes) -> None:
    programs = BpfObject.parse(image).programs
    main, tail = programs["kd_main"], programs["kd_tail"]
    assert (main.kind, main.attach, main.array) == (ProgramType.CGROUP_SKB, AttachType.INGRESS, None)
    assert (tail.attach, tail.expected, tail.array) == (AttachType.EGRESS, AttachType.INGRESS, ("again", 1))


def test_calls_reach_the_functions_behind_the_program(image: bytes) -> None:
    code = instructions(BpfObject.parse(image).programs["kd_main"].code)
    calls = [(at, number) for at, (operation, _, number) in enumerate(code) if operation == CALL_OWN]
    assert calls
    exits = {at for at, (operation, _, _) in enumerate(code) if operation & 0xFF == 0x95}
    for at, number in calls:
        assert 0 < at + 1 + number < len(code)
        assert at + number in exits, "a function begins behind the end of another one"


def test_each_program_holds_each_function_once(image: bytes) -> None:
    programs = BpfObject.parse(image).programs
    assert (
        len(
            {number + at for at, (op, _, number) in enumerate(instructions(programs["kd_tail"].code)) if op == CALL_OWN}
        )
        == 1
    )


def test_loads_get_the_descriptors_of_their_maps(image: bytes) -> None:
    parsed = BpfObject.parse(image)
    maps = {name: 100 + number for number, name in enumerate(parsed.maps)}
    code = instructions(parsed.programs["kd_main"].linked(maps))
    loads = [
        (operation >> 12, number, code[at + 1][2])
        for at, (operation, _, number) in enumerate(code)
        if operation & 0xFF == 0x18
    ]
    values = {(number, offset) for pseudo, number, offset in loads if pseudo == 2}
    assert {number for pseudo, number, _ in loads if pseudo == 1} == {
        maps[name] for name in ("ids", "rows", "free", "seen", "scratch", "events", "sockets", "again")
    }
    assert {number for number, _ in values} == {maps[".rodata"]}
    assert {offset for _, offset in values} <= set(range(len(parsed.data[".rodata"])))


def test_constants_are_set_by_name(image: bytes) -> None:
    parsed = BpfObject.parse(image)
    assert parsed.constant("threshold") == 7
    parsed.constant("threshold")[...] = 9
    parsed.constant("settings")["list"] = (1, 2, 3)
    assert parsed.constant("threshold") == 9
    assert parsed.constant("settings")["list"].tolist() == [1, 2, 3]
    assert struct.pack("<3H", 1, 2, 3) in parsed.data[".rodata"]
    with pytest.raises(LayoutError, match="nothing"):
        parsed.constant("nothing")


def test_an_unknown_section_is_refused(image: bytes) -> None:
    with pytest.raises(InputError, match="no known kind"):
        BpfObject.parse(image.replace(b"cgroup_skb/ingress\0", b"mystery_skb/ingress\0"[1:]))


FLIPS = st.lists(st.tuples(st.booleans(), st.integers(0, 1 << 20), st.integers(0, 7)), min_size=1, max_size=6)


@settings(max_examples=300)
@given(FLIPS)
def test_flipped_bits_are_refused_or_read(image: bytes, flips: list[tuple[bool, int, int]]) -> None:
    broken = bytearray(image)
    for late, at, bit in flips:  # half of them in the tables of sections and symbols at the end
        broken[-1 - at % 5000 if late else at % len(broken)] ^= 1 << bit
    try:
        parsed = BpfObject.parse(bytes(broken))
        for spec in parsed.programs.values():
            spec.linked(dict.fromkeys(parsed.maps, 3))
        parsed.constant("settings")
    except InputError:
        pass
