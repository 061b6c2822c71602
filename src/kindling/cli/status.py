"""`kindling status`"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from kindling.cli import options, watching
from kindling.cli.client import Agent, fetch
from kindling.cli.render import colourful, terminal_width
from kindling.cli.widths import cut
from kindling.cli.writers import write_json
from kindling.export import format as fmt
from kindling.export.coverage import coverage_lines
from kindling.export.escape import terminal

_CAPACITY: Final = "_slots"
_USED: Final = "_slots_used"
_RECYCLED: Final = "_slots_recycled"
_OBJECTS: Final = "kubernetes.objects."
#: Beyond this share a table of the probe is close to losing something.
_FULL: Final = 0.9


@click.command(
    "status",
    help="""\
How the agent is: since when it watches, what it costs, how full its tables are, what it lost.

\b
  kindling status
  kindling status --watch
  kindling status --url http://10.0.0.7:9500 --token-file /etc/kindling/token
  kindling status --output json | jq .coverage.lost

Exit code 0 when an agent answers, 5 when none does.
""",
)
@click.option(
    "--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True, help="json: as it came."
)
@options.watch
@options.colour
@options.agent
def command(agent: Agent, output: str, watch: float | None) -> None:
    watching.check(output, watch)

    def ask() -> dict[str, Any]:
        return fetch(agent, "/api/v1/status")

    if output == "json":
        write_json(sys.stdout, ask())
    elif watch is None:
        click.echo("\n".join(fitted(ask())), color=colourful())
    else:
        watching.show_again(watch, lambda: fitted(ask()))


def fitted(status: dict[str, Any]) -> list[str]:
    width = terminal_width()
    return [line if width is None else cut(line, width) for line in lines(status)]


def lines(status: dict[str, Any]) -> Iterator[str]:
    """What an agent says of itself, for people."""
    covered = status["coverage"]
    used = status["cpu_user_seconds"] + status["cpu_system_seconds"]
    length = covered["time"] - status.get("started", covered["since"])
    share = f", {used / length:.1%} of a processor" if length > 0 else ""
    yield f"Kindling {terminal(str(status['version']))} on {terminal(str(status['node']))}, process {status['pid']}"
    yield ""
    yield f"started    {fmt.clock(covered['time'] - length)} ({fmt.span(length)} ago)"
    yield f"memory     {fmt.size(status['resident_bytes'])}"
    yield f"processor  {used:.1f} s{share}"
    took = fmt.duration(status["last_tick_seconds"] * 1e9)
    yield f"reads      every {status['interval_seconds']:g} s, the last took {took}"
    yield f"rows       {status['flows']} connections, {status['operations']} operations"
    stats = status.get("stats", {})
    yield from _cluster(stats)
    yield from _tables(stats)
    yield from _others(stats)
    yield ""
    yield from coverage_lines(covered)


def _cluster(stats: dict[str, float]) -> Iterator[str]:
    """What is known of the cluster, and whether that is up to date."""
    if "kubernetes.synced" not in stats:
        return
    known = ", ".join(
        f"{count:.0f} {terminal(key.removeprefix(_OBJECTS))}"
        for key, count in stats.items()
        if key.startswith(_OBJECTS)
    )
    failing = stats.get("kubernetes.failing_seconds", 0)
    if failing:
        state = f"not reached for {fmt.span(failing)}, the agent's log says why"
    else:
        state = "up to date" if stats["kubernetes.synced"] else "being read"
    yield f"cluster    {known}: {state}"


def _tables(stats: dict[str, float]) -> Iterator[str]:
    """How full the probe's tables are."""
    names = [key.removesuffix(_CAPACITY) for key in stats if key.endswith(_CAPACITY)]
    if not names:
        return
    yield ""
    width = max(len(name) for name in names)
    yield f"{'TABLE':<{max(5, width)}}  {'USED':>8}  {'OF':>8}  {'FULL':>5}  {'GIVEN BACK':>10}"
    for name in names:
        size, used = stats[name + _CAPACITY], stats.get(name + _USED, 0)
        full = used / size if size else 0.0
        warning = "  nearly full: what comes next may be counted as 'other'" if full >= _FULL else ""
        back = stats.get(name + _RECYCLED, 0)
        yield f"{name:<{max(5, width)}}  {used:>8.0f}  {size:>8.0f}  {full:>5.0%}  {back:>10.0f}{warning}"


def _others(stats: dict[str, float]) -> Iterator[str]:
    """Counters of the agent's parts: `inventory.rows`, `otlp.dropped`."""
    parts = {key: value for key, value in stats.items() if "." in key}
    if not parts:
        return
    yield ""
    width = max(len(key) for key in parts)
    for key in sorted(parts):
        yield f"{terminal(key):<{width}}  {parts[key]:>14,.10g}".replace(",", " ")
