"""`kindling replay`"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from kindling.cli import options
from kindling.cli.render import colourful
from kindling.cli.show import TABLE_LIMIT, answer_lines

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
  kindling replay trace.pcap --output json | jq '.requests[] | select(.error)'
  tcpdump -i any -s 512 -w - -G 10 -W 1 | kindling replay -

Needs no privilege. The packets of a conversation are read as those of two sockets, one at each end;
a workload is an address. Of a broken or truncated file all is shown that could be read, and the exit
code is 2.
""",
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@options.output
@click.option("--protocol", "protocols", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=None,
    metavar="N",
    help="Rows of each table, 0 for all. Default: 50 in a table, all in JSON.",
)
def command(file: Path, output: str, protocols: tuple[str, ...], limit: int | None) -> None:
    from kindling.capture.replay import Addresses, ReplaySource
    from kindling.table import Collector

    _check(protocols)
    with ReplaySource.open(file) as source:
        progress = _Progress()
        source.fill(progress.show)
        progress.clear()
        if source.counts().packets or not source.fault:
            collector = Collector(source, identify=Addresses(), clock=source.seconds)
            collector.tick(final=True)
            _print(collector.snapshot(), frozenset(protocols), output, limit)
        if source.fault:
            sys.stdout.flush()
            raise source.fault


def _check(protocols: tuple[str, ...]) -> None:
    from kindling.protocols.registry import ALL

    names = [protocol.name for protocol in ALL]
    for name in protocols:
        if name not in names:
            raise click.BadParameter(f"{name!r} is none of {', '.join(names)}.", param_hint="--protocol")


def _print(snapshot: Any, protocols: frozenset[str], output: str, limit: int | None) -> None:
    from kindling.export import records
    from kindling.export.coverage import coverage, coverage_lines
    from kindling.export.horizon import Horizon
    from kindling.export.tables import TABLES, select

    if protocols:
        snapshot.flows = [row for row in snapshot.flows if row.labels.protocol in protocols]
        snapshot.ops = [row for row in snapshot.ops if row.labels.protocol in protocols]
    horizon = Horizon(learn_local=False)
    covered = coverage(snapshot)
    if output == "json":
        document = {name: select(table, snapshot, horizon, limit=limit or 0)[0] for name, table in TABLES.items()}
        events = [*snapshot.requests, *snapshot.failures]
        document["events"] = [records.event(event) for event in events]
        json.dump({**document, "coverage": covered}, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    lines: list[str] = []
    for table in TABLES.values():
        rows, total = select(table, snapshot, horizon, limit=TABLE_LIMIT if limit is None else limit)
        if rows or not protocols:
            answer = {"rows": rows, "total": total, "coverage": covered}
            lines += [table.title, *answer_lines(table, answer, covered=False), ""]
    lines += coverage_lines(covered, watching=False)
    click.echo("\n".join(lines), color=colourful())


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
