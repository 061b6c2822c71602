"""`kindling replay`"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kindling.cli import options
from kindling.cli.options import Filters
from kindling.cli.render import colourful
from kindling.cli.show import TABLE_LIMIT, answer_lines, write_rows
from kindling.cli.writers import write_json, write_ndjson
from kindling.export.coverage import coverage_lines
from kindling.export.records import Record
from kindling.export.table import Table
from kindling.export.tables import EVENTS, TABLES

if TYPE_CHECKING:
    from kindling.model import Snapshot

_TABLES: Final = {**TABLES, EVENTS.name: EVENTS}

#: Progress is shown for files from this size on, and not more often than that.
_LARGE_BYTES: Final = 50_000_000
_PROGRESS_SECONDS: Final = 0.25


@click.command(
    "replay",
    help="""\
Read a capture file (pcap or pcapng, packed by gzip or not) as if its packets passed now.

\b
  kindling replay trace.pcap
  kindling replay trace.pcapng.gz --protocol dns --protocol http
  kindling replay trace.pcap --table requests --sort mean_ns --limit 5
  kindling replay trace.pcap --table flows --output csv > flows.csv
  kindling replay trace.pcap --output json | jq '.requests[] | select(.error)'
  tcpdump -i any -s 512 -w - -G 10 -W 1 | kindling replay -

Needs no privilege and no agent. The packets of a conversation are read as those of two sockets, one at
each end; a workload is an address. --since and --until are the capture's time. Of a broken or truncated
file all is shown that could be read, and the exit code is 2.
""",
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice(list(_TABLES)),
    help="Only this one; may be repeated. Default: all, events in JSON only.",
)
@options.filters
@options.selection(tuple(dict.fromkeys(key for table in _TABLES.values() for key in table.sortable)), "each its own")
@options.output
@options.colour
def command(file: Path, tables: tuple[str, ...], filters: Filters, limit: int | None, sort: str, output: str) -> None:
    from kindling.capture.replay import Addresses, ReplaySource
    from kindling.table import Collector

    chosen = _chosen(tables, sort, output)
    with ReplaySource.open(file) as source:
        progress = _Progress()
        source.fill(progress.show)
        progress.clear()
        if source.counts().packets or not source.fault:
            collector = Collector(source, identify=Addresses(), clock=source.seconds)
            collector.tick(final=True)
            found = _Answers(collector.snapshot(), filters, sort)
            _show(found, chosen, output, limit, spare_empty=bool(filters.parameters()))
        if source.fault:
            sys.stdout.flush()
            raise source.fault


def _chosen(tables: tuple[str, ...], sort: str, output: str) -> list[Table]:
    """Tables to show, all of which can be sorted as wanted."""
    default = _TABLES if output in {"json", "ndjson"} else TABLES
    chosen = [table for name, table in _TABLES.items() if name in (tables or default)]
    key = sort.removeprefix("-")
    sortable = [table for table in chosen if not key or key in table.sortable]
    if not sortable or (tables and len(sortable) < len(chosen)):
        raise click.BadParameter(
            f"{key!r} is no key of {', '.join(table.name for table in chosen)}.", param_hint="--sort"
        )
    if output in {"csv", "markdown"} and len(sortable) != 1:
        raise click.UsageError(f"--output {output} is for one table: name it with --table.")
    return sortable


class _Answers:
    """As /api/v1 would answer of what was read."""

    def __init__(self, snapshot: Snapshot, filters: Filters, sort: str) -> None:
        from kindling.export.coverage import coverage
        from kindling.export.horizon import Horizon

        self.coverage = coverage(snapshot)
        self._snapshot = snapshot
        self._horizon = Horizon(learn_local=False)
        self._wanted = filters.test(_value)
        self._sort = sort

    def of(self, table: Table, limit: int) -> dict[str, Any]:
        """`limit` 0: all rows."""
        from kindling.export.table import select

        rows, _ = select(table, self._snapshot, self._horizon, sort=self._sort)
        rows = [row for row in rows if self._wanted(row)]
        return {
            "table": table.name,
            "total": len(rows),
            "coverage": self.coverage,
            "rows": rows[:limit] if limit else rows,
        }


def _value(row: Record, key: str) -> Any:
    """As `Table.value`, of a record. Events have a time instead of two, and the ports of both ends."""
    if key not in row and "time" in row:
        key = {"last_seen": "time", "first_seen": "time"}.get(key, key)
        if key == "port":
            key = "local_port" if row["role"] == "server" else "remote_port"
    return row.get(key)


def _show(found: _Answers, tables: list[Table], output: str, limit: int | None, *, spare_empty: bool) -> None:
    if output == "json":
        document = {table.name: found.of(table, limit or 0)["rows"] for table in tables}
        write_json(sys.stdout, {**document, "coverage": found.coverage})
    elif output == "ndjson":
        for table in tables:
            write_ndjson(sys.stdout, ({"table": table.name, **row} for row in found.of(table, limit or 0)["rows"]))
    elif output == "table":
        lines: list[str] = []
        for table in tables:
            answer = found.of(table, TABLE_LIMIT if limit is None else limit)
            if answer["rows"] or not spare_empty:
                lines += [table.title, *answer_lines(table, answer, covered=False), ""]
        lines += coverage_lines(found.coverage, watching=False)
        click.echo("\n".join(lines), color=colourful())
    else:
        write_rows(tables[0], found.of(tables[0], limit or 0), output)


class _Progress:
    """One line on a terminal's stderr, for large files."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()
        self._shown = False

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        if total < _LARGE_BYTES or now - self._last < _PROGRESS_SECONDS or not sys.stderr.isatty():
            return
        self._last = now
        self._shown = True
        rate = done / 1e6 / (now - self._start)
        click.echo(f"\r{done / total:4.0%} of {total / 1e6:.0f} MB, {rate:.0f} MB/s ", err=True, nl=False)

    def clear(self) -> None:
        if self._shown:
            click.echo("\r\033[K", err=True, nl=False)
