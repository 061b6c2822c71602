"""No line is wider than the terminal, whatever stands in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from factories import flow, op
from kindling.cli.render import table_lines
from kindling.cli.widths import cut, display_width, padded
from kindling.export import records
from kindling.export.tables import DNS, FLOWS, REQUESTS

#: Wide, combining, joined, right to left, control, unassigned, and anything else.
_NASTY = "aZ9.é日本\u0301\u200d\ufe0f👩💻ש\u05c1\033\n\t\x00\u202e\u0378…"
NAMES = st.text(st.sampled_from(_NASTY) | st.characters(), max_size=60)
WIDTHS = st.integers(1, 200)
NUMBERS = st.integers(0, 2**63)


@given(NAMES, st.integers(1, 40), st.booleans())
def test_cut_keeps_the_width(text: str, width: int, keep_end: bool) -> None:
    shown = cut(text, width, keep_end=keep_end)
    assert display_width(shown) <= width
    assert shown == text or "…" in shown


@given(NAMES, st.integers(0, 80), st.booleans())
def test_padding_fills_exactly(text: str, width: int, right: bool) -> None:
    assert display_width(padded(cut(text, width), width, right=right)) == width


@given(NAMES, NAMES, NUMBERS, NUMBERS, WIDTHS)
def test_tables_fit_any_terminal(name: str, workload: str, many: int, some: int, width: int) -> None:
    row = dict(records.flow(flow(name=name, opened=many, bytes_in=some, bytes_out=many))) | {"workload": workload}
    for table in (FLOWS, REQUESTS, DNS):
        request = dict(records.dns(op((1,), operation=f"A {name}", name=name), None))
        request |= {"workload": workload, "count": many}
        lines = table_lines(table, [row if table is FLOWS else request] * 2, width=width)
        assert max(display_width(line) for line in lines) <= width
        assert len(lines) == 3
        assert all(wcswidth(line) >= 0 for line in lines), "a control character reached the terminal"


@given(NAMES)
def test_in_a_pipe_nothing_is_cut(name: str) -> None:
    (_, line) = table_lines(FLOWS, [dict(records.flow(flow(name=name, remote_ip="192.0.2.1")))])
    assert "…" not in line or "…" in name
    assert ":443" in line


def test_cut() -> None:
    assert cut("example.org:443", 9) == "example.…"
    assert cut("example.org:443", 9, keep_end=True) == "exam…:443"
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 4) == "日…"
    assert cut("ée\u0301é", 2) == "é…"
    assert cut("e\u0301xample", 3) == "e\u0301x…"
    assert not cut("a", 0)
