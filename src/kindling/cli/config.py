"""`kindling config`"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from kindling.cli import options

_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.command(
    "config",
    help="""\
Check and show settings, without an agent.

\b
  kindling config check kindling.yaml      every problem with its line; exit code 2
  kindling config show                     what an agent would use here, and where each setting comes from
  kindling config show kindling.yaml
  kindling config reference                every setting, with its default and what it does

FILE is /etc/kindling/kindling.yaml unless given. Environment variables (KINDLING_SECTION_FIELD) count, as they do for
the agent. Secrets are not shown.
""",
)
@click.argument("what", type=click.Choice(["check", "show", "reference"]))
@click.argument("file", type=_FILE, required=False, envvar="KINDLING_CONFIG")
@options.colour
def command(what: str, file: Path | None) -> None:
    if what == "reference":
        from kindling.config.reference import reference

        click.echo(reference(), nl=False)
        return
    from kindling.config.show import shown
    from kindling.config.sources import Sources

    loaded = Sources(file).load()
    for warning in loaded.warnings:
        click.echo(f"kindling: {warning}", err=True)
    if what == "check":
        click.echo(f"{loaded.file or 'the defaults'}: no problem found")
        return
    for line in shown(loaded):
        click.echo(line)
