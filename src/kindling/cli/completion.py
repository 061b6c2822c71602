"""`kindling completion`"""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

#: Where each shell reads it at its start.
_INSTALL: Final = {
    "bash": 'eval "$(kindling completion bash)"          in ~/.bashrc',
    "zsh": 'eval "$(kindling completion zsh)"           in ~/.zshrc, after compinit',
    "fish": "kindling completion fish > ~/.config/fish/completions/kindling.fish",
}


@click.command(
    "completion",
    help=f"""\
Print what a shell needs to complete kindling's commands, options and their values.

\b
  kindling completion bash > /etc/bash_completion.d/kindling      for every user
  {_INSTALL["bash"]}
  {_INSTALL["zsh"]}
  {_INSTALL["fish"]}

Needs bash 4.4 or newer. The script asks kindling itself, so it stays right when kindling changes.
""",
)
@click.argument("shell", type=click.Choice(list(_INSTALL)))
def command(shell: str) -> None:
    from kindling.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 -- click knows these three
    click.echo(kind(cli, {}, "kindling", "_KINDLING_COMPLETE").source())
