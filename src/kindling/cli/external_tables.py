"""The tables of `kindling external`: entries, groups of them, days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from kindling.export import format as fmt
from kindling.export.cells import FAILED, PROCESS, PROTOCOL, WORKLOAD, number, text
from kindling.export.records import Record
from kindling.export.table import Column, Table
from kindling.export.tables import EXTERNAL

_TITLES: Final = {
    "destination": "DESTINATION",
    "workload": "WORKLOAD",
    "namespace": "NAMESPACE",
    "domain": "DOMAIN",
    "scope": "SCOPE",
}
GROUPINGS: Final = tuple(_TITLES)


def _moment(key: str) -> Callable[[Record], str]:
    return lambda r: fmt.clock(r[key])


def _list(key: str) -> Callable[[Record], str]:
    return lambda r: fmt.text(" ".join(str(each) for each in r[key]))


def _scope(r: Record) -> str:
    return fmt.text(r["network"] or r["scope"])


def _addresses(r: Record) -> str:
    """The newest, and how many more."""
    if not r["name"]:
        return "-"
    more = len(r["addresses"]) - 1 + r["more_addresses"]
    return f"{r['addresses'][0]}{f' +{more}' if more else ''}"


def _named(r: Record) -> str:
    total = r["connections"]
    named = total - r["connections_by_evidence"].get("address", 0)
    return f"{100 * named / total:.0f} %" if total else "-"


_CONNECTIONS: Final = number("connections", "CONNS")
_OPEN: Final = number("active", "OPEN", rank=3)
_BYTES: Final = (number("bytes_out", "SENT", fmt.size), number("bytes_in", "RECEIVED", fmt.size))
_TIMES: Final = (
    Column("first_seen", "FIRST", _moment("first_seen"), rank=6),
    Column("last_seen", "LAST", _moment("last_seen"), rank=5),
)

ENTRIES: Final = replace(
    EXTERNAL,
    columns=(
        Column("destination", "DESTINATION", text("destination"), least=24),
        Column("evidence", "KNOWN BY", text("evidence"), rank=5),
        Column("addresses", "ADDRESS", _addresses, least=16, rank=7),
        Column("port", "PORT", text("port"), "right"),
        PROTOCOL,
        Column("scope", "SCOPE", _scope, rank=5),
        WORKLOAD,
        replace(PROCESS, rank=8),
        _CONNECTIONS,
        _OPEN,
        FAILED,
        *_BYTES,
        *_TIMES,
    ),
    sortable=(*EXTERNAL.sortable, "scope"),
)


def group_table(by: str) -> Table:
    """Entries put together by one of GROUPINGS."""
    value = Column(by, _TITLES[by], text(by), least=24)
    return replace(
        EXTERNAL,
        columns=(
            value,
            number("destinations", "DESTS"),
            number("workloads", "WORKLOADS", rank=2),
            Column("ports", "PORTS", _list("ports"), least=8, rank=4),
            Column("protocols", "PROTOCOLS", _list("protocols"), least=8, rank=7),
            Column("scopes", "SCOPES", _list("scopes"), least=8, rank=8),
            _CONNECTIONS,
            _OPEN,
            FAILED,
            *_BYTES,
            *_TIMES,
        ),
    )


HISTORY: Final = replace(
    EXTERNAL,
    title="Destinations outside this host, day by day (UTC)",
    columns=(
        Column("day", "DAY", text("day")),
        number("entries", "ENTRIES"),
        _CONNECTIONS,
        Column("connections_by_evidence", "NAMED", _named, "right"),
        FAILED,
        *_BYTES,
    ),
    empty="No day is kept of what was asked for.",
)


def table_of(group_by: str, *, history: bool) -> Table:
    if history:
        return HISTORY
    return group_table(group_by) if group_by else ENTRIES
