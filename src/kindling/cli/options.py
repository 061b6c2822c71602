"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kindling.cli.client import DEFAULT_URL

F = TypeVar("F", bound=Callable[..., Any])

url = click.option(
    "--url", default=DEFAULT_URL, show_default=True, envvar="KINDLING_URL", help="Where the agent answers."
)
output = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json: one document with every value, unrounded.",
)


def selection(sortable: tuple[str, ...], default: str) -> Callable[[F], F]:
    """--limit and --sort."""

    def decorate(function: F) -> F:
        function = click.option(
            "--sort",
            metavar="KEY",
            default="",
            help=f"Default {default}; one of {', '.join(sortable)}. A minus before it turns the order round.",
        )(function)
        return click.option(
            "--limit",
            type=click.IntRange(min=0),
            default=None,
            metavar="N",
            help="Rows to show, 0 for all. Default: 50 in a table, all in JSON.",
        )(function)

    return decorate
