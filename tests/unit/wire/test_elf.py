import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.errors import InputError
from kindling.wire import elf


def test_sections_hold_their_bytes(image: bytes) -> None:
    found = elf.parse(image)
    license_text = found.section("license")
    assert license_text
    assert license_text.data == b"Dual BSD/GPL\0"
    assert found.section("nothing") is None


def test_functions_of_a_section(image: bytes) -> None:
    found = elf.parse(image)
    text = found.section(".text")
    assert text
    assert {symbol.name for symbol in found.functions(text)} == {"twice", "four_times"}


def test_relocations_name_what_they_refer_to(image: bytes) -> None:
    found = elf.parse(image)
    program = found.section("cgroup_skb/ingress")
    assert program
    relocations = list(found.relocations(program))
    loads = {each.symbol.name for each in relocations if each.kind == elf.RelocationKind.LOAD}
    calls = {each.symbol.name for each in relocations if each.kind == elf.RelocationKind.CALL}
    assert loads >= {"ids", "rows", "free", "events", "sockets", "seen", "scratch", "again"}
    assert calls <= {"four_times", "twice", ""}
    assert calls


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x7fELF",
        b"MZ" + bytes(200),
        b"\x7fELF\x01\x01" + bytes(200),  # 32 bits
        b"\x7fELF\x02\x02" + bytes(200),  # big endian
        b"\x7fELF\x02\x01" + bytes(200),
    ],
)
def test_what_is_no_object_is_refused(broken: bytes) -> None:
    with pytest.raises(InputError):
        elf.parse(broken)


def test_an_object_for_another_machine_is_refused(image: bytes) -> None:
    other = bytearray(image)
    struct.pack_into("<H", other, 18, 62)  # x86-64
    with pytest.raises(InputError, match="machine 62"):
        elf.parse(bytes(other))


@given(st.integers(0, 1 << 20))
def test_a_truncated_object_is_refused(image: bytes, length: int) -> None:
    with pytest.raises(InputError):
        elf.parse(image[: length % len(image)])


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(image: bytes, rest: bytes) -> None:
    for start in (b"", image[:64]):
        try:
            elf.parse(start + rest)
        except InputError:
            continue
