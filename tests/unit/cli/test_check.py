import sys

from hypothesis import given
from hypothesis import strategies as st

from kindling.capture.bpf.survey import Finding
from kindling.cli.check import document, exit_code, lines
from kindling.cli.widths import display_width
from terminal import on_terminal

THERE = Finding("ring buffer", True, True, False, "", "no single requests")
EXTRA = Finding("links", False, False, False, "Invalid argument", "programs stay attached")
MISSING = Finding("queues", True, False, False, "", "slots cannot be given out")
FORBIDDEN = Finding("loops", True, False, True, "Operation not permitted", "no message can be read")


def test_exit_codes() -> None:
    assert exit_code([THERE, EXTRA]) == 0
    assert exit_code([THERE, EXTRA, MISSING]) == 4
    assert exit_code([MISSING, FORBIDDEN]) == 3


def test_what_is_missing_says_what_it_costs() -> None:
    shown = list(lines([THERE, EXTRA, MISSING]))
    assert shown[1].split() == ["ring", "buffer", "yes"]
    assert shown[2].split("  ")[-1].strip() == "programs stay attached (Invalid argument)"
    assert "NO " in shown[3]
    assert "1 of what Kindling needs is missing" in shown[-1]


def test_the_last_line_sums_up() -> None:
    assert list(lines([THERE]))[-1].endswith("all that Kindling needs is there.")
    assert list(lines([THERE, EXTRA]))[-1].endswith("; of the extras 1 not.")
    assert "CAP_BPF" in list(lines([FORBIDDEN]))[-1]


def test_the_document_has_every_feature() -> None:
    found = document([THERE, MISSING], 4)
    assert found["exit_code"] == 4
    assert found["features"] == [
        {
            "name": each.name,
            "needed": each.needed,
            "present": each.present,
            "forbidden": False,
            "detail": "",
            "without": each.without,
        }
        for each in (THERE, MISSING)
    ]


@given(st.integers(1, 200))
def test_every_line_fits(width: int) -> None:
    shown = list(lines([THERE, EXTRA, MISSING, FORBIDDEN], width=width))
    assert max(map(len, shown)) <= max(width, 3)
    assert "".join(EXTRA.without.split()) in "".join("".join(shown).split())


def test_nothing_is_wrapped_by_the_terminal() -> None:
    command = [sys.executable, "-m", "kindling.cli", "check", "--url", "http://127.0.0.1:1"]
    with on_terminal(command, rows=120, columns=50) as terminal:
        terminal.end()
        written = terminal.written.decode().splitlines()
    assert max(map(display_width, written)) <= 50
    assert any(line.startswith("FEATURE") for line in written)
    assert any(line.startswith("data directory") for line in written)
