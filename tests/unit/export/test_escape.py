"""Hostile names on their way to a terminal, a spreadsheet and a page."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.export.escape import csv_text, markdown, terminal


@given(st.text())
def test_a_terminal_gets_one_visible_line(text: str) -> None:
    shown = terminal(text)
    assert all(c.isprintable() or c == "\N{NO-BREAK SPACE}" or c.isspace() for c in shown)
    assert len(shown.splitlines()) <= 1
    assert "\033" not in shown


def test_what_a_terminal_would_act_upon_is_spelled_out() -> None:
    assert terminal("a\033[2Jb\n") == r"a\x1b[2Jb\n"
    assert terminal("safe\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe") == r"safe\u202egpj.exe"
    assert terminal("日本語.example") == "日本語.example"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\uff1d", "|", "%"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert csv_text(f"{start}HYPERLINK(1)").startswith("'")


@pytest.mark.parametrize("start", [";=", "; =", ';"=', ";@", ";-"])
def test_no_part_of_a_cell_is_one_where_semicolons_part_cells(start: str) -> None:
    """A spreadsheet of a country with decimal commas cuts the line there, whatever is quoted."""
    line = io.StringIO()
    csv.writer(line).writerow(["a", csv_text(f"x{start}HYPERLINK(1)")])
    cells = [cell.strip(' "\r\n') for cell in line.getvalue().split(";")]
    assert cells[1].startswith("'")
    assert "HYPERLINK(1)" in cells[1]


@pytest.mark.parametrize(
    "name", ["a;b.example", "example.org", "10.0.0.1", "2001:db8::1", "GET /a", "", " ", "*.s3.example"]
)
def test_names_stay_as_they_are(name: str) -> None:
    assert csv_text(name) == name


@given(st.text())
def test_a_cell_survives_csv(text: str) -> None:
    written = io.StringIO()
    csv.writer(written).writerow([csv_text(text), "next"])
    assert next(csv.reader(io.StringIO(written.getvalue()))) == [csv_text(text), "next"]
    assert csv_text(text).lstrip(" ")[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a|b", r"a\|b"),
        ("[x](http://e.test)", r"\[x\](http\://e.test)"),
        ("<img src=x>", r"\<img src=x\>"),
        ("www.example.org", r"www\.example.org"),
        ("GET /users/*", r"GET /users/\*"),
        ("line\nbreak", r"line\\nbreak"),
        ("example.org:443", "example.org:443"),
    ],
)
def test_markdown_is_not_marked_up(text: str, cell: str) -> None:
    assert markdown(text) == cell


@given(st.text())
def test_markdown_gives_the_text_back(text: str) -> None:
    assert re.sub(r"\\([\\`*_\[\]<>|~$@&#:.])", r"\1", markdown(text)) == terminal(text)
