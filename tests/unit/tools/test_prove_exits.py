"""The proof must refuse programs that could drop a packet, in whatever shape the compiler writes them."""

import struct
from pathlib import Path

import pytest

import build
import prove_exits
from prove_exits import Instruction, Program

HEAD = """
#define SEC(name) __attribute__((section(name), used))
static int (*const random)(void) = (void *)7;
static __attribute__((noinline)) int elsewhere(int x) { return random() * x; }
"""


def compiled(folder: Path, body: str) -> Path:
    source, target = folder / "program.c", folder / "program.o"
    source.write_text(HEAD + body)
    build.compile_c(*build.BPF, "-Wno-unused-function", "-c", source, "-o", target)
    return target


@pytest.mark.parametrize(
    "body",
    [
        'SEC("cgroup_skb/ingress") int f(void *c) { return c ? 1 : 1; }',
        'SEC("cgroup_skb/egress") int f(int *c) { if (*c > 5) return 1; random(); return 1; }',
        'SEC("sockops") int f(int *c) { *c = elsewhere(*c); return 1; }',
        'SEC("cgroup/connect4") int f(int *c) { for (int i = 0; i < 100; i++) *c += random(); return 1; }',
        'SEC("raw_tp/x") int f(void) { return 0; }',
    ],
    ids=["constant", "branches", "subprogram", "loop", "tracepoint"],
)
def test_good(tmp_path: Path, body: str) -> None:
    _, bad = prove_exits.prove(compiled(tmp_path, body))

    assert bad == []


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('SEC("cgroup_skb/ingress") int f(void) { return 0; }', 0),
        ('SEC("cgroup_skb/ingress") int f(int *c) { if (*c == 7) return 0; random(); return 1; }', None),
        ('SEC("cgroup_skb/egress") int f(int *c) { return *c; }', None),
        ('SEC("cgroup/sock_create") int f(int *c) { return elsewhere(*c); }', None),
        ('SEC("cgroup/connect6") int f(int *c) { return elsewhere(*c) > 3; }', None),
        ('SEC("sockops") int f(void) { return 2; }', 2),
    ],
    ids=["zero", "one branch", "from memory", "from a subprogram", "from a comparison", "two"],
)
def test_bad(tmp_path: Path, body: str, value: int | None) -> None:
    _, bad = prove_exits.prove(compiled(tmp_path, body))

    assert [each.value for each in bad] == [value]
    assert "not 1" in str(bad[0])


def program(*lines: tuple[int, int, int, int, int]) -> Program:
    raw = [struct.pack("<BBhi", code, dst | src << 4, offset, imm) for code, dst, src, offset, imm in lines]
    return Program("cgroup_skb/ingress", "f", 0, tuple(Instruction.decode(each) for each in raw))


EXIT = (0x95, 0, 0, 0, 0)
MOV_1 = (0xB7, 0, 0, 0, 1)


def test_exit_that_is_not_reached_does_not_matter() -> None:
    over = program(MOV_1, (0x05, 0, 0, 2, 0), (0xB7, 0, 0, 0, 0), EXIT, EXIT)

    assert prove_exits.bad_exits(over) == []


def test_comparison_tells_the_value() -> None:
    """`if r0 == 1 exit` is as good as `r0 = 1; exit`."""
    compares = program((0x85, 0, 0, 0, 7), (0x15, 0, 0, 1, 1), MOV_1, EXIT)

    assert prove_exits.bad_exits(compares) == []


def test_atomic_with_result_spoils_the_register() -> None:
    fetches = program(MOV_1, (0xDB, 10, 0, -8, 0x01), EXIT)

    assert [each.value for each in prove_exits.bad_exits(fetches)] == [None]


def test_arithmetic_on_the_result_is_not_trusted() -> None:
    adds = program(MOV_1, (0x07, 0, 0, 0, 1), EXIT)

    assert [each.value for each in prove_exits.bad_exits(adds)] == [None]


def test_path_beyond_the_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="runs out"):
        prove_exits.bad_exits(program(MOV_1))


def test_text_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "x.o").write_text("hello, this is no object file at all")

    with pytest.raises(ValueError, match="not a little-endian ELF64"):
        prove_exits.prove(tmp_path / "x.o")


def test_built_probe_lets_every_packet_pass() -> None:
    objects = sorted(build.PROBE.glob("*.bpf.o"))
    if not objects:
        pytest.skip("not built: make build")

    for path in objects:
        count, bad = prove_exits.prove(path)
        assert count > 0 or "drops" in path.name
        assert bad == []
