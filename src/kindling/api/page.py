"""The index page: one live table at a time, plain HTML, nothing to load."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

from kindling.export import format as fmt
from kindling.export.coverage import coverage, coverage_lines
from kindling.export.horizon import Horizon
from kindling.export.table import Table, select
from kindling.export.tables import TABLES
from kindling.model import Snapshot

MAX_ROWS = 200
_STYLE = """
:root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif }
body { margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem }
h1 { font-size: 1.3rem } nav a { margin-right: 1rem } nav a[aria-current] { font-weight: bold }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .6rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #8884 }
th { font-size: .8rem; position: sticky; top: 0; background: Canvas } .right { text-align: right }
td.cut { max-width: 28rem; overflow: hidden; text-overflow: ellipsis } pre { white-space: pre-wrap }
"""
#: Nothing runs, nothing is loaded, and of styles only the one above is applied.
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def render_page(snapshot: Snapshot, horizon: Horizon, table: Table, *, node: str) -> str:
    """The whole document. Everything that came from the network or a process is escaped."""
    rows, total = select(table, snapshot, horizon, limit=MAX_ROWS)
    links = "".join(
        f'<a href="/?table={name}"{" aria-current=page" if name == table.name else ""}>{name}</a>' for name in TABLES
    )
    head = "".join(f'<th class="{c.align}">{escape(c.title)}</th>' for c in table.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{c.align}{" cut" if c.least else ""}" title="{(cell := escape(c.show(row)))}">{cell}</td>'
            for c in table.columns
        )
        + "</tr>"
        for row in rows
    )
    shown = f"{len(rows)} of {total} rows" if total > len(rows) else f"{total} rows"
    content = (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        if rows
        else f"<p>{escape(table.empty)}</p>"
    )
    covered = escape("\n".join(coverage_lines(coverage(snapshot))))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="refresh" content="5"><meta name="viewport" content="width=device-width">'
        f"<title>Kindling on {escape(node)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>Kindling on {escape(node)}</h1><nav>{links}"
        '<a href="/metrics">metrics</a><a href="/api/v1/status">status</a></nav>'
        f"<h2>{escape(table.title)}</h2>{content}"
        f"<p>{shown}, {fmt.clock(snapshot.time)}</p><pre>{covered}</pre></body></html>"
    )
