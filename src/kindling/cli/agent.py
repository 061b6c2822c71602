"""`kindling agent`"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from kindling.config import DEFAULT_DATA, DEFAULT_LISTEN, NO_FILE, Server
from kindling.config.file import DEFAULT_FILE

_FILE: Final = click.Path(path_type=Path, dir_okay=False)

#: Flag to setting.
_FLAGS: Final = {
    "listen": ("listen",),
    "data": ("data",),
    "interval": ("interval",),
    "token_file": ("server", "token_file"),
    "tls_cert": ("server", "tls_cert"),
    "tls_key": ("server", "tls_key"),
    "client_ca": ("server", "client_ca"),
    "no_auth": ("server", "no_auth"),
    "keep_counting": ("persistence", "keep_counting"),
    "otlp_endpoint": ("otlp", "endpoint"),
}


@click.command(
    "agent",
    help=f"""\
Watch this host until Ctrl-C: load the probe, count, serve.

\b
  kindling agent                              metrics on http://{DEFAULT_LISTEN}/metrics
  kindling agent --config kindling.yaml       settings of a file: `kindling config reference`
  kindling agent --listen 0.0.0.0:9500 --token-file /etc/kindling/token     for other hosts
  kindling agent --listen '[::1]:9600' --data /tmp/k
  kindling agent --quiet                      no live view, as in a service

Needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. On a terminal it shows the view of `kindling
top` after the start. It listens on this host only, unless told otherwise; on addresses that other hosts
reach it asks for a token or a client certificate.

Flags override environment variables (KINDLING_SECTION_FIELD), those override the file.
""",
)
@click.option(
    "--config",
    "file",
    type=_FILE,
    envvar="KINDLING_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help=f"Settings; {DEFAULT_FILE} if it exists. SIGHUP reads it again.",
)
@click.option("--listen", metavar="HOST:PORT", help=f"[v6]:PORT for IPv6.  [default: {DEFAULT_LISTEN}]")
@click.option("--data", metavar="DIR", help=f"Created if absent. One agent per directory.  [default: {DEFAULT_DATA}]")
@click.option("--interval", metavar="SECONDS", help="Between two readings.  [default: 1]")
@click.option("--token-file", metavar="FILE", help="Bearer tokens that open the API, one a line.")
@click.option("--tls-cert", metavar="FILE", help="Certificate (PEM); then HTTPS only.")
@click.option("--tls-key", metavar="FILE", help="Its key, when that is in a file of its own.")
@click.option("--client-ca", metavar="FILE", help="Authorities of client certificates that open the API.")
@click.option("--no-auth", is_flag=True, help="Let everybody read, from other hosts, too.")
@click.option("--keep-counting", is_flag=True, help="Leave the probe counting in the kernel when the agent stops.")
@click.option("--otlp-endpoint", metavar="URL", help="OpenTelemetry collector to send to.")
@click.option("--quiet", is_flag=True, help="No live view on a terminal.")
def command(file: Path | None, quiet: bool, **flags: Any) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # or NumPy starts threads and gives each a buffer
    from kindling.agent.live import live_tables
    from kindling.agent.run import nothing_more, run_agent
    from kindling.config.sources import Flag, Sources

    given = {name: Flag(f"--{name.replace('_', '-')}", _text(value)) for name, value in flags.items() if value}
    sources = Sources(file, {_FLAGS[name]: flag for name, flag in given.items()})
    loaded = sources.load()
    for warning in loaded.warnings:
        _say(warning)
    if loaded.file:
        _say(f"settings of {loaded.file}")
    settings = loaded.settings
    top = partial(_top, settings=settings.server)
    ready = top if sys.stdout.isatty() and not quiet else nothing_more
    run_agent(settings, say=_say, open_tables=live_tables, ready=ready, load=lambda: sources.load().settings)


def _text(value: object) -> str:
    return "true" if value is True else str(value)


def _say(line: str) -> None:
    click.echo(f"kindling: {line}", err=True)


@contextmanager
def _top(url: str, settings: Server) -> Iterator[None]:
    """The live view in a process of its own: its memory and time are not the agent's."""
    arguments = ["--url", _reachable(url)]
    if settings.token_file != NO_FILE:
        arguments += ["--token-file", str(settings.token_file)]
    if settings.tls_cert != NO_FILE:
        arguments += ["--ca-file", str(settings.tls_cert)]
    view = subprocess.Popen([sys.executable, "-m", "kindling.cli", "top", *arguments])
    try:
        yield
    finally:
        view.terminate()
        view.wait()


def _reachable(url: str) -> str:
    """An agent that listens on every address is asked on loopback."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
