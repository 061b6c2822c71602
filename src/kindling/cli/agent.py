"""`kindling agent`"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from kindling.config import DEFAULT_DATA, DEFAULT_LISTEN, Settings


@click.command(
    "agent",
    help=f"""\
Watch this host until Ctrl-C: load the probe, count, serve.

\b
  kindling agent                              metrics on http://{DEFAULT_LISTEN}/metrics
  kindling agent --listen 0.0.0.0:9500        for a Prometheus on another host
  kindling agent --listen '[::1]:9600' --data /tmp/k
  kindling agent --quiet                      no live view, as in a service

Needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. On a terminal it shows the view of `kindling
top` after the start. Whoever reaches the address can read what is shown: it has no password, and
listens on this host only unless told otherwise.
""",
)
@click.option("--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT", help="[v6]:PORT for IPv6.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    metavar="DIR",
    help="Created if absent. One agent per directory.",
)
@click.option("--interval", type=float, default=1.0, show_default=True, metavar="SECONDS", help="Between two readings.")
@click.option("--quiet", is_flag=True, help="No live view on a terminal.")
def command(listen: str, data: Path, interval: float, quiet: bool) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # or NumPy starts threads and gives each a buffer
    from kindling.agent.live import live_tables
    from kindling.agent.run import nothing_more, run_agent

    settings = Settings(listen=listen, data=data, interval=interval)
    view = sys.stdout.isatty() and not quiet
    run_agent(settings, say=_say, open_tables=live_tables, ready=_top if view else nothing_more)


def _say(line: str) -> None:
    click.echo(f"kindling: {line}", err=True)


@contextmanager
def _top(url: str) -> Iterator[None]:
    """The live view in a process of its own: its memory and time are not the agent's."""
    view = subprocess.Popen([sys.executable, "-m", "kindling.cli", "top", "--url", _reachable(url)])
    try:
        yield
    finally:
        view.terminate()
        view.wait()


def _reachable(url: str) -> str:
    """An agent that listens on every address is asked on loopback."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
