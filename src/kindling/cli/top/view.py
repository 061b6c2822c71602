"""The screen as lines, from what is known. Knows no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from kindling.cli.render import cell_lines, failed
from kindling.cli.top.look import Look, ordered
from kindling.cli.top.state import State
from kindling.cli.top.tabs import RATE, STAYS, TABS, Tab
from kindling.cli.widths import cut, padded
from kindling.export import format as fmt
from kindling.export.coverage import coverage_lines
from kindling.export.escape import terminal
from kindling.export.table import Column

Style = Literal["plain", "title", "header", "failed", "bar", "warning"]

#: Lines that are no rows: headline, tabs, header of the table, two of coverage and keys.
FRAME: Final = 5

_KEYS: Final = (
    ("1-5, Tab", "the tables"),
    ("Left, Right", "sort by the column beside"),
    ("r", "the other way round"),
    ("Up, Down, PgUp, PgDn", "scroll; Home goes back to the first row"),
    ("/", "filter: a part of any name, or one of workload= namespace="),
    ("", "port= protocol= destination= scope= role= status="),
    ("Esc", "no filter"),
    ("Space", "pause, and go on"),
    ("?, h", "this help"),
    ("q, Ctrl-C", "leave"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """Fits the width it was made for."""

    text: str
    style: Style = "plain"


def rows_of(height: int) -> int:
    """Rows of a table that a screen has room for."""
    return max(1, height - FRAME)


def compose(state: State, look: Look, width: int, height: int) -> list[Line]:
    """At most `height` lines of at most `width` cells."""
    body = _help(state.tab) if state.help else _table(state, look, width, rows_of(height))
    covered = look.status.get("coverage")
    room = max(0, height - 2)
    lines = [Line(_headline(look.status, state), "title"), Line(_tabs(state, look)), *body][:room]
    lines += [Line("")] * (room - len(lines))
    lines.append(_coverage(covered, look.problem))
    lines.append(Line(padded(cut(_bar(state), width), width), "bar"))
    return [Line(cut(line.text, width), line.style) for line in lines[-height:]]


def _headline(status: dict[str, Any], state: State) -> str:
    if not status:
        return "Kindling"
    paused = "PAUSED  " if state.paused else ""
    cpu = status["cpu_user_seconds"] + status["cpu_system_seconds"]
    return (
        f"{paused}Kindling {terminal(str(status['version']))} on {terminal(str(status['node']))}"
        f"  {fmt.clock(status['coverage']['time'])}"
        f"  agent: {fmt.size(status['resident_bytes'])}, {cpu:.1f} s CPU"
    )


def _tabs(state: State, look: Look) -> str:
    names = (f"[{i} {tab.name}]" if tab is state.tab else f" {i} {tab.name} " for i, tab in enumerate(TABS, 1))
    shown = f"  {look.total} rows" if look.table == state.tab.name else ""
    chosen = f"  filter: {terminal(state.filter)}" if state.filter else ""
    return "".join(names) + shown + chosen


def _table(state: State, look: Look, width: int, room: int) -> Iterator[Line]:
    """The header with an arrow at the column by which rows are sorted, and as many rows as there is room."""
    if look.table != state.tab.name:
        yield Line("")
        return
    order = state.order
    rows = ordered(look.rows, order.sort, backwards=order.backwards)
    order.first = max(0, min(order.first, len(rows) - room))
    rows = rows[order.first : order.first + room]
    if not rows:
        yield Line(state.tab.table.empty if not state.filter else "Nothing fits the filter. Esc drops it.")
        return
    columns = [_marked(column, order.sort, backwards=order.backwards) for column in state.tab.columns]
    header, *texts = cell_lines(columns, rows, width)
    yield Line(header, "header")
    for row, text in zip(rows, texts, strict=True):
        yield Line(text, "failed" if failed(row) else "plain")


def _marked(column: Column, sort: str, *, backwards: bool) -> Column:
    if column.key != sort:
        return column
    return replace(column, title=f"{column.title}{'↑' if backwards else '↓'}", rank=STAYS)


def _help(tab: Tab) -> Iterator[Line]:
    yield Line("")
    width = max(len(keys) for keys, _ in _KEYS)
    for keys, does in _KEYS:
        yield Line(f"  {keys:<{width}}  {does}")
    yield Line("")
    for key, sort in tab.letters.items():
        yield Line(f"  {key:<{width}}  sort by {'the rate' if sort == RATE else sort}; again: the other way round")


def _coverage(covered: dict[str, Any] | None, problem: str) -> Line:
    if problem:
        return Line(terminal(problem), "warning")
    if covered is None:
        return Line("asking ...")
    first, *causes = (line.strip() for line in coverage_lines(covered))
    return Line("; ".join((first, *causes)), "warning" if causes else "plain")


def _bar(state: State) -> str:
    if state.editing is not None:
        return f" filter: {terminal(state.editing)}_    Enter: take it, Esc: leave it"
    if state.help:
        return " any key: back"
    return " q quit  ? help  / filter  space pause  tab tables  ←→ sort  r turn round"
