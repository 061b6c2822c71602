"""`kindling check`"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from kindling.cli import options, surroundings
from kindling.cli.client import Agent
from kindling.cli.render import colourful, terminal_width
from kindling.cli.surroundings import look_around
from kindling.cli.widths import wrapped
from kindling.cli.writers import write_json
from kindling.config import Settings
from kindling.config.sources import Sources
from kindling.errors import KindlingError, PrivilegeError, UnsupportedError, VerifierError

if TYPE_CHECKING:
    from kindling.capture.bpf.survey import Finding

_LOG_LINES: Final = 3
#: Sentences are not set wider than that.
_READABLE: Final = 100


@click.command(
    "check",
    help="""\
What this kernel allows, found out by trying it: nothing is attached, nothing stays.

\b
  kindling check
  kindling check --output json | jq -r '.features[] | select(.present | not) | .name'
  kindling check --privacy                what is read from packets, and what is not

Below the features stands what of Kindling is on this host already: who uses the data directory, what
is pinned, whether the port is free, which agent answers; in a cluster, what the API server lets the
agent read. --privacy needs no privilege.

\b
Exit codes: 0 all that is needed is there
            3 not permitted to find out
            4 something needed is missing
""",
)
@click.option("--privacy", is_flag=True, help="Show what is captured instead.")
@click.option(
    "--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True, help="json: a document."
)
@options.colour
@options.agent
def command(agent: Agent, privacy: bool, output: str) -> int:
    if privacy:
        _show_privacy(output)
        return 0
    from kindling.capture.bpf.survey import survey

    findings = [*survey(), *_programs()]
    code = exit_code(findings)
    around = look_around(agent, _settings())
    if output == "json":
        write_json(sys.stdout, document(findings, code) | {"surroundings": {f.what: f.detail for f in around}})
    else:
        colour, width = colourful(), terminal_width()
        shown = (*lines(findings, width=width, colour=colour), "", *surroundings.lines(around, width))
        click.echo("\n".join(shown), color=colour)
    return code


def _settings() -> Settings | None:
    """What the agent would use here; None: they are in error, which `kindling config check` tells."""
    try:
        return Sources().load().settings
    except KindlingError:
        return None


def _show_privacy(output: str) -> None:
    from kindling.cli import privacy

    found = privacy.items()
    if output == "json":
        write_json(sys.stdout, privacy.document(found))
    else:
        click.echo("\n".join(privacy.lines(found, min(terminal_width() or _READABLE, _READABLE))))


def exit_code(findings: list[Finding]) -> int:
    missing = [each for each in findings if each.needed and not each.present]
    if any(each.forbidden for each in missing):
        return PrivilegeError.exit_code
    return UnsupportedError.exit_code if missing else 0


def document(findings: list[Finding], code: int) -> dict[str, object]:
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "exit_code": code,
        "features": [
            {
                "name": each.name,
                "needed": each.needed,
                "present": each.present,
                "forbidden": each.forbidden,
                "detail": each.detail,
                "without": each.without,
            }
            for each in findings
        ],
    }


def lines(findings: list[Finding], *, width: int | None = None, colour: bool = False) -> Iterator[str]:
    """Lines of the table, and a sentence below it. What is needed and missing is red."""
    name_width = max(len(each.name) for each in findings)
    indent = name_width + 15
    yield from wrapped(f"{'FEATURE':<{name_width}}  {'HERE':<11}  DETAIL, OR WHAT IS MISSED WITHOUT IT", width, indent)
    for each in findings:
        here = "yes" if each.present else "not allowed" if each.forbidden else "NO" if each.needed else "no"
        note = each.detail if each.present else f"{each.without} ({each.detail})" if each.detail else each.without
        red = colour and each.needed and not each.present
        for line in wrapped(f"{each.name:<{name_width}}  {here:<11}  {note}".rstrip(), width, indent):
            yield f"\033[31m{line}\033[0m" if red else line
    yield ""
    yield from wrapped(_verdict(findings), width)


def _verdict(findings: list[Finding]) -> str:
    missing = [each for each in findings if each.needed and not each.present]
    kernel = f"Linux {platform.release()}"
    if not missing:
        extras = sum(not each.present for each in findings)
        return f"{kernel}: all that Kindling needs is there{f'; of the extras {extras} not' if extras else ''}."
    if any(each.forbidden for each in missing):
        return "Not permitted to find out. Run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON."
    return (
        f"{kernel}: {len(missing)} of what Kindling needs is missing."
        " `kindling replay` reads capture files on any kernel."
    )


def _programs() -> Iterator[Finding]:
    """Load each program of the probe itself."""
    from kindling.capture.bpf import loader
    from kindling.capture.bpf.survey import Finding
    from kindling.capture.image import parse_probe

    without = "the probe does not start"
    try:
        loaded = loader.load_maps(parse_probe())
    except KindlingError as error:
        yield Finding("maps of the probe", True, False, isinstance(error, PrivilegeError), str(error), without)
        return
    with loaded:
        yield Finding("maps of the probe", True, True, False, f"{len(loaded.maps)} maps", without)
        for spec in loaded.object.programs.values():
            present, forbidden, detail = True, False, f"{spec.instructions} instructions"
            try:
                loaded.programs[spec.name] = loader.load_program(loaded, spec)
            except VerifierError as error:
                present, detail = False, " / ".join(error.log.strip().splitlines()[-_LOG_LINES:])
            except KindlingError as error:
                present, forbidden, detail = False, isinstance(error, PrivilegeError), str(error)
            yield Finding(f"program {spec.section}", True, present, forbidden, detail, without)
