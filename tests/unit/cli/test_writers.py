"""Answers as documents."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from factories import NOON, SHOP, failure_event, flow, op, snapshot
from kindling.cli.main import run
from kindling.cli.writers import write_csv, write_json, write_markdown, write_ndjson
from kindling.export import records
from kindling.export.coverage import coverage
from kindling.export.tables import TABLES
from kindling.model import DnsAnswer, DnsRecord

HOSTILE = '=cmd|"/C calc"!A0'


def written(rows: list[dict[str, Any]], table: str = "flows") -> list[dict[str, str]]:
    stream = io.StringIO()
    write_csv(stream, table, rows)
    return list(csv.DictReader(io.StringIO(stream.getvalue())))


def test_csv_has_every_field_of_every_record() -> None:
    rows: list[dict[str, Any]] = [
        dict(records.flow(flow(failed={"refused": 2, "timeout": 1}, opened=3))),
        {"extra": [1, 2]},
    ]
    first, second = written(rows)
    assert list(first) == [*rows[0], "extra"]
    assert first["failed"] == "refused=2 timeout=1"
    assert first["opened"] == "3"
    assert first["inferred"] == "false"
    assert first["first_seen"] == "2024-03-05T12:00:00.000Z"
    assert second["extra"] == "1 2"
    assert not second["workload"]


def test_csv_says_what_an_answer_says() -> None:
    answer = DnsAnswer(
        NOON,
        SHOP,
        1,
        "192.0.2.53",
        "a.test",
        "A",
        0,
        tuple(DnsRecord("a.test", "A", 1, f"192.0.2.{n}") for n in (1, 2)),
    )
    (row,) = written([dict(records.dns(op((1,), operation="A a.test"), answer))], "dns")
    assert row["answers"] == "192.0.2.1 192.0.2.2"


def test_csv_computes_nothing() -> None:
    (row,) = written([dict(records.flow(flow(name=HOSTILE)))])
    assert row["name"] == f"'{HOSTILE}"


@pytest.mark.parametrize("table", [*TABLES, "events"])
def test_csv_of_nothing_has_a_header(table: str) -> None:
    stream = io.StringIO()
    write_csv(stream, table, [])
    assert stream.getvalue().startswith(("workload,", "kind,time,"))


def test_csv_of_failures_has_the_columns_of_requests_too() -> None:
    (row,) = written([dict(records.event(failure_event()))], "events")
    assert row["reason"] == "refused"
    assert not row["request"]


def test_ndjson_is_a_record_a_line() -> None:
    stream = io.StringIO()
    rows = [dict(records.flow(flow(name="two\nlines"))), dict(records.flow(flow()))]
    write_ndjson(stream, rows)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == rows


def test_json_is_a_document() -> None:
    stream = io.StringIO()
    write_json(stream, {"a": ["ä"]})
    assert json.loads(stream.getvalue()) == {"a": ["ä"]}
    assert "ä" in stream.getvalue()


def test_markdown_is_a_table_with_its_coverage() -> None:
    stream = io.StringIO()
    answer = {"rows": [dict(records.flow(flow(name="<b>|x")))], "coverage": coverage(snapshot(lost={"gap": 4}))}
    write_markdown(stream, TABLES["flows"], answer)
    header, rule, row, _, *below = stream.getvalue().splitlines()
    assert header.startswith("| WORKLOAD | PROCESS |")
    assert rule.count("|") == header.count("|")
    assert "---:" in rule
    assert r"\<b\>\|x:443" in row
    assert "4 lost" in below[0]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("output", ["csv", "markdown", "ndjson", "json"])
def test_every_table_in_every_form(table: str, output: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([table, "--url", url, "-o", output]) == 0
    out = capsys.readouterr().out
    assert _count(out, output) == {"flows": 60, "external": 60, "requests": 2, "dns": 1}[table]


def _count(out: str, output: str) -> int:
    """Records in what was printed."""
    if output == "csv":
        return len(list(csv.DictReader(io.StringIO(out))))
    if output == "markdown":
        return sum(line.startswith("| ") for line in out.splitlines()) - 2
    if output == "ndjson":
        return sum(bool(json.loads(line)) for line in out.splitlines())
    return len(json.loads(out)["rows"])
