"""`kindling check`"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from kindling.cli import options
from kindling.errors import KindlingError, PrivilegeError, UnsupportedError, VerifierError

if TYPE_CHECKING:
    from kindling.capture.bpf.features import Finding

_LOG_LINES: Final = 3


@click.command(
    "check",
    help="""\
What this kernel allows, found out by trying it: nothing is attached, nothing stays.

\b
  kindling check
  kindling check --output json | jq -r '.features[] | select(.present | not) | .name'

Exit codes: 0 all that is needed is there, 3 not permitted to find out, 4 something needed is missing.
""",
)
@options.output
def command(output: str) -> int:
    from kindling.capture.bpf.features import survey

    findings = [*survey(), *_programs()]
    code = exit_code(findings)
    if output == "json":
        json.dump(document(findings, code), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        click.echo("\n".join(lines(findings)))
    return code


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


def lines(findings: list[Finding]) -> Iterator[str]:
    """Lines of the table, and a sentence below it."""
    name_width = max(len(each.name) for each in findings)
    yield f"{'FEATURE':<{name_width}}  {'HERE':<11}  DETAIL, OR WHAT IS MISSED WITHOUT IT"
    for each in findings:
        here = "yes" if each.present else "not allowed" if each.forbidden else "NO" if each.needed else "no"
        note = each.detail if each.present else f"{each.without} ({each.detail})" if each.detail else each.without
        yield f"{each.name:<{name_width}}  {here:<11}  {note}".rstrip()
    yield ""
    missing = [each for each in findings if each.needed and not each.present]
    if not missing:
        extras = sum(not each.present for each in findings)
        yield f"Linux {platform.release()}: all that Kindling needs is there" + (
            f"; of the extras {extras} not." if extras else "."
        )
    elif any(each.forbidden for each in missing):
        yield "Not permitted to find out. Run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON."
    else:
        yield (
            f"Linux {platform.release()}: {len(missing)} of what Kindling needs is missing."
            " `kindling replay` reads capture files on any kernel."
        )


def _programs() -> Iterator[Finding]:
    """Load each program of the probe itself."""
    from kindling.capture.bpf import loader
    from kindling.capture.bpf.features import Finding
    from kindling.capture.live import parse_probe

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
