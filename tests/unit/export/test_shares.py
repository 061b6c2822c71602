"""The table of guaranteed shares in docs/metrics.md is the one in use."""

from __future__ import annotations

import re
from pathlib import Path

from factories import snapshot
from kindling.export.prometheus import Exporter
from kindling.export.section import Section
from kindling.model import FlowRow, OpRow

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_shares_are_those_of_the_page() -> None:
    exporter = Exporter(node="node-1")
    told = {name: int(share) for name, share in re.findall(r"^\| `(\w+)` \|.*?\| (\d+) %", PAGE, re.MULTILINE)}
    known: dict[str, Section[FlowRow] | Section[OpRow]] = {
        "destinations": exporter._destinations,
        "addresses": exporter._addresses,
        "workloads": exporter._workloads,
        "entity": exporter._entity,
        "topology": exporter._topology,
        "errors": exporter._errors,
        "connects": exporter._connects,
        "pairs": exporter._pairs,
        "durations": exporter._durations,
    }
    assert {name: round(100 * section.share) for name, section in known.items()} == {name: told[name] for name in known}
    assert told["dns"] == round(100 * (exporter._queries.share + exporter._servers.share))
    assert exporter.budget.claimed == sum(told.values()) * exporter.budget.total / 100


def test_sections_are_those_of_the_page() -> None:
    exporter = Exporter(node="node-1")
    text = b"".join(exporter.render(snapshot())).decode()
    shown = set(re.findall(r'kindling_agent_series\{section="(\w+)"\}', text))
    assert shown == set(re.findall(r"^\| `(\w+)` \|.*?\| \d+ %", PAGE, re.MULTILINE))
