"""`kindling external`"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from kindling.cli import options, watching
from kindling.cli.client import Agent, fetch
from kindling.cli.external_tables import ENTRIES, GROUPINGS, table_of
from kindling.cli.options import Filters
from kindling.cli.show import Question, as_asked, effective_limit, show, show_again
from kindling.cli.times import TIME

#: Something is new: for scripts that ask with --new-since.
NEWS: Final = 10

Answer = dict[str, Any]


@click.command(
    "external",
    short_help=ENTRIES.title,
    help="""\
Destinations outside this host, ever since it is watched: what is neither loopback nor an address of this host.

\b
  kindling external                            where most connections go
  kindling external --since 7d --sort bytes_out
  kindling external --new-since 1d             what was never reached before; exit code 10 if there is any
  kindling external --group-by domain          example.org instead of a.example.org, b.example.org
  kindling external --workload 'shop*' --scope public
  kindling external --history                  day by day
  kindling external --output csv > external.csv
  kindling external --data /var/lib/kindling   of an agent that does not run

KNOWN BY says how the name is known: "host" and "sni" are what the connection itself said, "dns" an answer
that this workload got, "node-dns" one that another on this host got, "static" an entry of /etc/hosts or the
settings; "address" means that no name is known. With --since or --until numbers are those of whole days (UTC).
""",
)
@options.filters_but("role", "peer_workload", "peer_namespace")  # all are clients; the other end is outside
@click.option("--new-since", type=TIME, metavar="TIME", help=f"First seen since: as --since. Exit code {NEWS} if any.")
@click.option("--group-by", type=click.Choice(GROUPINGS), help="Put together what has this in common.")
@click.option("--history", is_flag=True, help="A row for each day (UTC) that is kept.")
@click.option(
    "--data",
    "--offline",
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR",
    help="Read the list in this data directory; asks no agent.",
)
@options.selection(ENTRIES.sortable, ENTRIES.sort)
@options.output
@options.watch
@options.colour
@options.agent
def command(
    agent: Agent,
    filters: Filters,
    new_since: float | None,
    group_by: str | None,
    history: bool,
    data: Path | None,
    output: str,
    watch: float | None,
    limit: int | None,
    sort: str,
) -> int:
    if history and group_by:
        raise click.UsageError("--history and --group-by do not go together.")
    watching.check(output, watch)
    table = table_of(group_by or "", history=history)
    question: Question = [*filters.parameters(), ("limit", effective_limit(limit, output)), ("sort", sort)]
    if new_since is not None:
        question.append(("new_since", f"{new_since:.3f}"))
    if group_by:
        question.append(("group_by", group_by))
    path = "/api/v1/external/history" if history else "/api/v1/external"

    def ask() -> Answer:
        if data is not None:
            from kindling.cli.external_offline import answer_offline

            return answer_offline(data, path, question)
        return fetch(agent, path, question)

    if not history:
        table = as_asked(table, question)
    if watch is not None:
        show_again(table, ask, output, watch)
    answer = ask()
    show(table, answer, output)
    return NEWS if new_since is not None and answer["total"] else 0
