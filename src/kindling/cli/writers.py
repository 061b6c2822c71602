"""Answers as documents: JSON, one record a line, CSV, Markdown. Never cut to a terminal."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from kindling.export.coverage import coverage_lines
from kindling.export.escape import csv_text, markdown
from kindling.export.records import Record
from kindling.export.table import Table

#: Unix seconds in JSON, written for people in CSV.
TIMES: Final = frozenset({"time", "first_seen", "last_seen"})


def write_json(stream: TextIO, document: Any) -> None:
    """One document, for people to read and programs to parse."""
    json.dump(document, stream, indent=1, ensure_ascii=False)
    stream.write("\n")


def write_ndjson(stream: TextIO, rows: Iterable[Record]) -> None:
    """One record a line: what `jq`, `grep` and log shippers take as it comes."""
    stream.writelines(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    stream.flush()


def write_csv(stream: TextIO, table: str, rows: Sequence[Record]) -> None:
    """RFC 4180 with a header, which is the same whatever rows there are."""
    fields = csv_fields(table, rows)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_csv_value(field, row.get(field)) for field in fields] for row in rows)
    stream.flush()


def csv_fields(table: str, rows: Sequence[Record]) -> tuple[str, ...]:
    """Those of the table's records; of rows that are put together otherwise, their own. Rows of a file have no id."""
    from kindling.export.record_types import RECORD_TYPES, fields

    known = fields(table) if table in RECORD_TYPES else ()
    found = tuple(dict.fromkeys(field for row in rows for field in row))
    if not set(found) <= set(known):
        return found
    return tuple(field for field in known if field != "id" or "id" in found)


def write_markdown(stream: TextIO, table: Table, answer: dict[str, Any]) -> None:
    """The table as it is shown, nothing cut, and below it what the numbers do not contain."""
    stream.write("\n".join(markdown_lines(table, answer["rows"])) + "\n\n")
    stream.writelines(f"{markdown(line.strip())}  \n" for line in coverage_lines(answer["coverage"]))
    stream.flush()


def markdown_lines(table: Table, rows: Sequence[Record]) -> Iterable[str]:
    yield _markdown_row(column.title for column in table.columns)
    yield _markdown_row("---:" if column.align == "right" else "---" for column in table.columns)
    for row in rows:
        yield _markdown_row(markdown(column.show(row)) for column in table.columns)


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _csv_value(field: str, value: Any) -> str | int | float:
    """A cell. Lists and objects become text, for a cell holds one value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _utc(value) if field in TIMES else value
    if isinstance(value, dict):
        value = " ".join(f"{name}={each}" for name, each in value.items())
    elif isinstance(value, list):
        value = " ".join(_short(each) for each in value)
    return csv_text(str(value))


def _short(element: Any) -> str:
    """An element of a list: of a DNS record what it says."""
    return str(element.get("value", element)) if isinstance(element, dict) else str(element)


def _utc(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
