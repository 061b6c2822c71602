"""Tables as text, against golden files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from factories import NGINX, NOON, SHOP, flow, op, snapshot
from kindling.cli.main import cli
from kindling.cli.render import table_lines
from kindling.cli.widths import display_width
from kindling.export.horizon import Horizon
from kindling.export.table import select
from kindling.export.tables import TABLES
from kindling.model import DnsAnswer, DnsRecord, Snapshot

GOLDEN = Path(__file__).parent / "golden"


def scene() -> Snapshot:
    record = DnsRecord(name="example.org", type="A", ttl=300, value="93.184.216.34")
    return snapshot(
        flows=[
            flow(
                opened=12, active=2, bytes_out=1_234, bytes_in=5_678_901, srtt_us=12_345, tls_version="1.3", alpn="h2"
            ),
            flow(name="", evidence="address", remote_ip="2001:db8::17", failed={"refused": 3, "timeout": 1}),
            flow(
                workload=NGINX,
                role="server",
                local_ip="192.0.2.10",
                remote_ip="198.51.100.7",
                port=80,
                protocol="http",
                name="",
                evidence="address",
                inferred=True,
                opened=1_000_000,
                retransmits=7,
            ),
            flow(
                workload=SHOP,
                transport="udp",
                protocol="dns",
                remote_ip="192.0.2.53",
                port=53,
                name="",
                evidence="address",
                opened=40,
            ),
        ],
        ops=[
            op((1, 2, 3, 800), slow=1),
            op((0.2,) * 50, workload=NGINX, role="server", remote_ip="", name="", status="404", error=True),
            op(
                (4, 5),
                workload=SHOP,
                protocol="dns",
                operation="A example.org",
                content="example.org",
                status="0",
                remote_ip="192.0.2.53",
                port=53,
                name="",
            ),
            op(
                (0,),
                workload=SHOP,
                protocol="dns",
                operation="AAAA nöwhere.test",
                content="nöwhere.test",
                status="",
                error=True,
                remote_ip="192.0.2.53",
                port=53,
                name="",
            ),
        ],
        answers=[DnsAnswer(NOON, SHOP, 99, "192.0.2.53", "example.org", "A", 0, (record,))],
    )


@pytest.mark.parametrize("width", [None, 120, 80])
@pytest.mark.parametrize("name", TABLES)
def test_golden(name: str, width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kindling.export.format.clock", lambda unix: "12:00:00")
    table = TABLES[name]
    records, _ = select(table, scene(), Horizon())
    text = "\n".join(table_lines(table, records, width=width)) + "\n"
    golden = GOLDEN / f"{name}-{width or 'pipe'}.txt"
    if os.environ.get("KINDLING_WRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    if width:
        assert max(display_width(line) for line in text.splitlines()) <= width


def test_colours_mark_the_header_and_what_failed() -> None:
    table = TABLES["flows"]
    records, _ = select(table, scene(), Horizon(), sort="failures")
    lines = table_lines(table, records, colour=True)
    assert lines[0].startswith("\033[1m")
    assert lines[1].startswith("\033[31m")
    assert not lines[2].startswith("\033")


def test_no_rows() -> None:
    assert table_lines(TABLES["dns"], []) == ["No DNS query was seen yet."]


def test_the_narrowest_terminal_keeps_who_and_what() -> None:
    table = TABLES["external"]
    records, _ = select(table, scene(), Horizon())
    header = table_lines(table, records, width=40)[0]
    assert header.split()[:2] == ["DESTINATION", "PORT"]


@pytest.mark.parametrize(
    ("option", "environment", "coloured"),
    [("auto", "", False), ("always", "", True), ("never", "", False), ("always", "1", True)],
)
def test_color_in_a_pipe(
    option: str, environment: str, coloured: bool, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", environment)
    result = CliRunner().invoke(cli, ["flows", "--url", url, "--color", option])
    assert ("\033[" in result.stdout) is coloured
