"""`kindling policy` on kept answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kindling.cli.main import run
from unit.export.test_policy import API, PEER


def kept(path: Path, table: str, *rows: dict[str, Any], lost: int = 0) -> str:
    path.write_text(
        json.dumps({"table": table, "rows": rows, "coverage": {"since": 1_700_000_000.0, "lost": lost}}),
        encoding="utf-8",
    )
    return str(path)


def test_files_of_nodes_are_put_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [kept(tmp_path / "a", "flows", PEER, lost=3), kept(tmp_path / "b", "external", API)]
    assert run(["policy", "--from", files[0], "--from", files[1]]) == 0
    text = capsys.readouterr().out
    assert len(yaml.safe_load(text)["spec"]["egress"]) == 2
    assert "# flows: 3 times something was lost; something may be missing here.\n" in text
    assert "# Watched since 2023-11-1" in text


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (["--workload", "w*"], ["web-seen"]),
        (["--namespace", "shop"], ["cart-seen", "web-seen"]),
        (["--namespace", "x"], []),
    ],
)
def test_workloads_are_chosen(
    chosen: list[str], names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = kept(tmp_path / "b", "external", API, {**API, "workload": "web"})
    assert run(["policy", "--from", file, *chosen]) == 0
    found = [each for each in yaml.safe_load_all(capsys.readouterr().out) if each]
    assert [each["metadata"]["name"] for each in found] == names


@pytest.mark.parametrize("content", ["", "[]", '{"table": "dns", "rows": []}', '{"table": "flows", "rows": [1]}'])
def test_other_files_are_refused(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x"
    file.write_text(content, encoding="utf-8")
    assert run(["policy", "--from", str(file)]) == 2
    assert str(file) in capsys.readouterr().err


def test_nobody_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "--url", "http://127.0.0.1:1"]) == 5
