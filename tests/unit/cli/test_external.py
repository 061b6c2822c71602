"""`kindling external` on a stored list, without an agent."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import time
from pathlib import Path

import pytest

from factories import SHOP, flow
from kindling.cli import external_tables
from kindling.cli.main import run
from kindling.inventory.groups import GROUPINGS
from kindling.inventory.query import Query
from unit.inventory.store_factory import Clock, store

NASTY = '=cmd|" /C calc"!A0 | <b>\x1b[31m\u202e'


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A plain destination, one whose name means harm, and one that never answered."""
    now = time.time()
    kept = store(tmp_path, clock=Clock(now))
    rows = [
        flow(opened=3, bytes_out=1_000, tls_version="1.3", alpn="h2"),
        flow(name=NASTY, opened=1, workload=SHOP, network="office", scope="private"),
        flow(name="", evidence="address", remote_ip="192.0.2.9", port=25, protocol="unknown", failed={"timeout": 4}),
    ]
    for row in rows:
        row.first_seen = row.last_seen = now - 60
    rows[0].first_seen -= 86_400
    assert kept.write(rows) is not None
    kept.close()
    return str(tmp_path)


def test_a_table_and_what_it_does_not_contain(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["external", "--data", data]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0].split() == [
        *["DESTINATION", "KNOWN", "BY", "ADDRESS", "PORT", "PROTOCOL", "SCOPE", "WORKLOAD", "PROCESS", "CONNS"],
        *["OPEN", "FAILED", "SENT", "RECEIVED", "FIRST", "LAST"],
    ]
    assert "tls 1.3 h2" in lines[1]
    assert "100 % of 4 connections with a name: 100 % sni" in lines
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "office" in text


@pytest.mark.parametrize("by", GROUPINGS)
def test_groups(data: str, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["external", "--data", data, "--group-by", by]) == 0
    assert capsys.readouterr().out.startswith(by.upper())


def test_every_grouping_has_a_table() -> None:
    assert set(external_tables.GROUPINGS) == set(GROUPINGS)
    assert set(external_tables.ENTRIES.sortable) == set(Query().sortable)


def test_history(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["external", "--data", data, "--history", "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["table"] == "external/history"
    assert sum(day["connections"] for day in document["rows"]) == 4
    assert run(["external", "--data", data, "--history"]) == 0
    assert capsys.readouterr().out.startswith("DAY")
    assert run(["external", "--data", data, "--history", "--group-by", "scope"]) == 2


@pytest.mark.parametrize(("since", "code"), [("2h", 10), ("3d", 10), ("1s", 0)])
def test_news_are_an_exit_code(data: str, since: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["external", "--data", data, "--new-since", since, "--output", "json"]) == code
    names = {row["destination"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert ("example.org" in names) == (since == "3d")


def test_csv_computes_nothing(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["external", "--data", data, "--output", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["destination"][:5] for row in rows} == {"examp", "'=cmd", "192.0"}
    assert rows[0]["connections"] == "3"


def test_markdown_is_only_text(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["external", "--data", data, "--output", "markdown", "--workload", "shop"]) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "cmd" in each]
    assert "\\<b\\>" in line
    assert line.replace("\\|", "").count("|") == len(external_tables.ENTRIES.columns) + 1


def test_nothing_to_show(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["external", "--data", data, "--destination", "nobody"]) == 0
    assert "Nothing fits the filters." in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert run(["external", "--data", str(tmp_path / "empty")]) == 2
    assert "--data" in capsys.readouterr().err
    sqlite3.connect(tmp_path / "empty" / "inventory.db").execute("CREATE TABLE theirs (a)").connection.close()
    assert run(["external", "--data", str(tmp_path / "empty")]) == 2
