"""Options that several commands share: the same name means the same everywhere.

A decorator adds the options and gives the command one argument made of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from kindling.cli.client import DEFAULT_URL, Agent
from kindling.cli.times import TIME
from kindling.export.filters import ROLES, TRANSPORTS, Filter

F = TypeVar("F", bound=Callable[..., Any])

#: How an answer is written. Only `table` is cut to the terminal.
OUTPUTS: Final = ("table", "json", "csv", "markdown", "ndjson")

DEFAULT_WATCH_SECONDS: Final = 2.0
LEAST_WATCH_SECONDS: Final = 0.2

_FILE: Final = click.Path(path_type=Path, dir_okay=False)


def _file(name: str, text: str) -> Callable[[Any], Any]:
    """An option that names a file, and the environment variable that does so for every command."""
    variable = f"KINDLING_{name.upper().replace('-', '_')}"
    return click.option(f"--{name}", type=_FILE, envvar=variable, show_envvar=True, metavar="FILE", help=text)


_ADDRESS: Final = (
    click.option(
        "--url",
        default=DEFAULT_URL,
        show_default=True,
        envvar="KINDLING_URL",
        show_envvar=True,
        metavar="URL",
        help="Where the agent answers.",
    ),
    _file("token-file", "Holds the agent's bearer token."),
    _file("ca-file", "Authorities to trust for https, instead of the system's."),
    _file("cert-file", "Your client certificate (PEM), where the agent asks for one."),
    _file("key-file", "Its key, when that is in a file of its own."),
)


def agent(function: F) -> F:
    """--url, --token-file, --ca-file, --cert-file, --key-file; gives `agent`."""

    @functools.wraps(function)
    def call(
        *arguments: Any,
        url: str,
        token_file: Path | None,
        ca_file: Path | None,
        cert_file: Path | None,
        key_file: Path | None,
        **named: Any,
    ) -> Any:
        return function(*arguments, agent=Agent(url, token_file, ca_file, cert_file, key_file), **named)

    return _decorate(call, _ADDRESS)  # type: ignore[return-value]  # what click calls has other arguments


def _decorate(function: Callable[..., Any], options: tuple[Callable[[Any], Any], ...]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Filters(Filter):
    """Which rows are wanted, as the API is asked."""

    def parameters(self) -> list[tuple[str, str | int]]:
        """A key for each value."""
        found: list[tuple[str, str | int]] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                found += ((field.name, each) for each in value)
            elif isinstance(value, float):
                found.append((field.name, f"{value:.3f}"))
            elif value:
                found.append((field.name, value))
        return found


def _protocols() -> tuple[str, ...]:
    from kindling.protocols.registry import ALL

    return (*(protocol.name for protocol in ALL), *TRANSPORTS)


def _check_protocol(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """A name with a typing error would show nothing and say nothing."""
    for name in value:
        if name.lower() not in _protocols():
            raise click.BadParameter(f"{name!r} is none of {', '.join(_protocols())}.", context, parameter)
    return value


def _complete_protocol(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del context, parameter
    return _completions(_protocols(), incomplete)


def _complete_scope(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del context, parameter
    return _completions(("public", "private", "link-local", "loopback", "own"), incomplete)


def _completions(values: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(value) for value in sorted(values) if value.startswith(incomplete)]


#: By field of `Filter`.
_FILTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "workload": click.option(
        "--workload", "-w", multiple=True, metavar="NAME", help="Of this container, unit or process; * is any text."
    ),
    "namespace": click.option("--namespace", multiple=True, metavar="NAME", help="Of workloads in this namespace."),
    "peer_workload": click.option(
        "--peer-workload", multiple=True, metavar="NAME", help="To or from this workload, pod, service or node."
    ),
    "peer_namespace": click.option(
        "--peer-namespace", multiple=True, metavar="NAME", help="To or from this namespace."
    ),
    "port": click.option(
        "--port", "-p", multiple=True, type=click.IntRange(0, 65_535), metavar="N", help="Of the service."
    ),
    "protocol": click.option(
        "--protocol",
        multiple=True,
        metavar="NAME",
        callback=_check_protocol,
        shell_complete=_complete_protocol,
        help="http, dns, tls, ntp, unknown, or the transport: tcp, udp.",
    ),
    "destination": click.option(
        "--destination",
        "-d",
        multiple=True,
        metavar="NAME",
        help="Name, address or network (192.0.2.0/24) of the other end; * is any text.",
    ),
    "scope": click.option(
        "--scope",
        multiple=True,
        metavar="SCOPE",
        shell_complete=_complete_scope,
        help="Where the other end is: public, private, link-local, loopback, own, or a network's label.",
    ),
    "role": click.option("--role", multiple=True, type=click.Choice(ROLES), help="Of the workload."),
    "search": click.option(
        "--search", default="", metavar="TEXT", help="A part of any name, address, operation or status."
    ),
    "since": click.option(
        "--since", type=TIME, metavar="TIME", help="Seen since: 15m, 2h, 3d, today, 2026-11-23T10:00."
    ),
    "until": click.option("--until", type=TIME, metavar="TIME", help="Seen until."),
}


def filters_but(*left_out: str) -> Callable[[F], F]:
    """What chooses rows, without what a command cannot choose by; gives `filters`.

    Most may be repeated: any of the values will do.
    """
    names = [name for name in _FILTERS if name not in left_out]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            chosen = Filters(**{name: named.pop(name) for name in names})
            return function(*arguments, filters=chosen, **named)

        return _decorate(call, tuple(_FILTERS[name] for name in names))  # type: ignore[return-value]  # as above

    return decorate


filters = filters_but()


output = click.option(
    "--output",
    "-o",
    type=click.Choice(OUTPUTS),
    default="table",
    show_default=True,
    help="json: one document with every value, unrounded; ndjson: one record a line.",
)


def _set_colour(context: click.Context, parameter: click.Parameter, value: str) -> None:
    """Kept where click itself looks for it."""
    del parameter
    chosen = {"always": True, "never": False}.get(value)
    if chosen is not None:
        context.color = chosen


colour = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    expose_value=False,
    is_eager=True,
    callback=_set_colour,
    help="auto: on a terminal, unless NO_COLOR is set.",
)

watch = click.option(
    "--watch",
    type=click.FloatRange(min=LEAST_WATCH_SECONDS),
    is_flag=False,
    flag_value=DEFAULT_WATCH_SECONDS,
    default=None,
    metavar="[SECONDS]",
    help=f"Show it again and again, every {DEFAULT_WATCH_SECONDS:g} seconds unless said otherwise.",
)

limit = click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=0),
    default=None,
    metavar="N",
    help="Rows to show, 0 for all. Default: 50 in a table, all otherwise.",
)


def sort(sortable: tuple[str, ...], default: str) -> Callable[[F], F]:
    """--sort; the keys are offered by the shell's completion, and checked by who sorts."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del context, parameter
        return _completions(sortable, incomplete)

    return click.option(
        "--sort",
        metavar="KEY",
        default="",
        shell_complete=complete,
        help=f"Default {default}; one of {', '.join(sortable)}. A minus before it turns the order round.",
    )


def selection(sortable: tuple[str, ...], default: str) -> Callable[[F], F]:
    """--limit and --sort."""

    def decorate(function: F) -> F:
        return limit(sort(sortable, default)(function))

    return decorate
