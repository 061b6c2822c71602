"""`kindling policy`"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from kindling.cli import options
from kindling.cli.client import Agent, fetch
from kindling.errors import InputError
from kindling.export import format as fmt
from kindling.export.filters import pattern
from kindling.export.policy import DEFAULT_LABEL, FORMATS, Format, policies, seen_of

Answer = dict[str, Any]

_NOTES: Final = (
    "Made from what was seen, not from what is meant: read it before you apply it.",
    "Not seen: ICMP and raw sockets; what is done seldom; pods on nodes whose agents were not asked.",
    "Ingress is left open. Pods on their node's network (hostNetwork) obey no NetworkPolicy.",
)


@click.command(
    "policy",
    short_help="A NetworkPolicy that allows what a workload was seen to use.",
    help="""\
Network policies (egress) of Kubernetes that allow exactly what workloads were seen to use, with counts and the
evidence of names as comments.

\b
  kindling policy --namespace shop --workload cart
  kindling policy --namespace shop --format cilium        names instead of addresses: toFQDNs
  kindling policy --namespace shop --label app            pods are labelled app=WORKLOAD

An agent sees its own node. Put together what several saw:

\b
  kindling flows --output json > node1-flows.json; kindling external --output json > node1-external.json
  kindling policy --from node1-flows.json --from node1-external.json --from node2-flows.json ...

Read the comments: they say what could not be seen or written.
""",
)
@click.option("--namespace", multiple=True, metavar="NAME", help="Of the workloads; * stands for any text.")
@click.option("--workload", multiple=True, metavar="NAME", help="For which; * stands for any text.")
@click.option(
    "--format",
    "chosen",
    type=click.Choice(FORMATS),
    default="kubernetes",
    show_default=True,
    help="NetworkPolicy or CiliumNetworkPolicy.",
)
@click.option(
    "--label", default=DEFAULT_LABEL, show_default=True, metavar="KEY", help="Label of pods that names their workload."
)
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Answers kept as JSON, of flows and external; asks no agent.",
)
@options.agent
def command(
    agent: Agent,
    namespace: tuple[str, ...],
    workload: tuple[str, ...],
    chosen: Format,
    label: str,
    files: tuple[Path, ...],
) -> None:
    if files:
        answers = [_read(file) for file in files]
    else:
        answers = [fetch(agent, f"/api/v1/{table}", [("limit", 0)]) for table in ("flows", "external")]
    rows = {table: [row for each in answers if each["table"] == table for row in each["rows"]] for table in _TABLES}
    flows, external = (_chosen(rows[table], namespace, workload) for table in _TABLES)
    click.echo(policies(seen_of(flows, external), chosen, label=label, notes=_notes(answers)), nl=False)


_TABLES: Final = ("flows", "external")


def _read(file: Path) -> Answer:
    try:
        answer = json.loads(file.read_bytes())
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("table") not in _TABLES or not isinstance(answer.get("rows"), list):
        raise InputError(
            f"{file} holds no answer of flows or external.", hint="Make it with `kindling flows --output json > FILE`."
        )
    if not all(isinstance(row, dict) for row in answer["rows"]):
        raise InputError(f"{file} holds rows that are no records.")
    return answer


def _chosen(rows: list[Answer], namespace: tuple[str, ...], workload: tuple[str, ...]) -> list[Answer]:
    """Here rather than by the agent: files are chosen from by the same rule."""
    for key, wanted in (("namespace", namespace), ("workload", workload)):
        if wanted:
            fits = pattern(wanted)
            rows = [row for row in rows if fits(str(row.get(key) or ""))]
    return rows


def _notes(answers: Iterable[Answer]) -> list[str]:
    lines = list(_NOTES)
    for answer in answers:
        coverage = answer.get("coverage")
        if not isinstance(coverage, dict):
            continue
        since = coverage.get("since")
        if isinstance(since, (int, float)) and answer["table"] == "flows":
            lines.append(f"Watched since {fmt.clock(since)}.")
        lost = coverage.get("lost")
        if isinstance(lost, int) and lost:
            lines.append(f"{answer['table']}: {lost} times something was lost; something may be missing here.")
    return lines
