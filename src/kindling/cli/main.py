"""Entry point: finds the command, and turns errors into messages and exit codes. Nothing else does."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

import kindling
from kindling.errors import KindlingError, VerifierError

#: Each with what `kindling --help` says of it.
COMMANDS: Final = {
    "agent": "Watch this host; serve metrics, JSON and a page (needs root).",
    "external": "Destinations outside this host: name, process, connections, bytes.",
    "flows": "Every connection: who talks to whom, how often, how well.",
    "requests": "HTTP and DNS requests: operation, status, latency.",
    "dns": "Names asked for, with outcome and answer.",
    "events": "Single slow or failed requests and failed connections.",
    "top": "All that, live.",
    "status": "How the agent is: cost, fill of its tables, losses.",
    "replay": "The same tables of a capture file (needs no privilege).",
    "policy": "A NetworkPolicy that allows what a workload was seen to use.",
    "check": "What this kernel allows, and what is missed without it.",
    "config": "Check and show settings; print what each means.",
    "uninstall": "Remove what a killed agent left in the kernel.",
    "completion": "Completion for bash, zsh or fish.",
}

INTERRUPTED: Final = 130
#: Why a file takes no more of the output.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_HELP: Final = """\
Shows who on this host talks to whom, and to which hosts outside it.

Start the agent once, then ask it:

\b
  kindling agent &
  kindling external
  kindling top

Metrics for Prometheus are on http://127.0.0.1:9500/metrics. `kindling COMMAND --help` shows examples.

\b
Exit codes:  0 done               4 the kernel lacks something
             1 failed             5 no agent answers
             2 bad input          6 another agent runs here
             3 not permitted    130 interrupted (Ctrl-C)
"""


class Commands(click.Group):
    """Imports a command when it is called: none pays for another's modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"kindling.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 -- for the type checker
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return _nobody_reads()  # before click makes an error of it

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(kindling.__version__, prog_name="kindling")
def cli() -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        result = cli.main(arguments, prog_name="kindling", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except KindlingError as error:
        return _complain(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _give_up_output()
        return _complain(KindlingError(f"The output cannot be written: {(error.strerror or '').lower()}."))


def _nobody_reads() -> int:
    """The reader has seen enough (`kindling flows | head`): that is no failure."""
    _give_up_output()
    return 0


def _give_up_output() -> None:
    """The interpreter need not try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(error: KindlingError) -> int:
    click.echo(f"kindling: {error.message}", err=True)
    if isinstance(error, VerifierError) and error.log:
        tail = "\n".join(f"  {line}" for line in error.log.strip().splitlines()[-12:])
        click.echo(tail, err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)
    return error.exit_code


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale that cannot say µs gets \xb5s, not a traceback
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())
