"""What is told, and what not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from factories import flow, snapshot
from kindling.alerts import Alerting
from kindling.config import AlertLines, Alerts, Allow

#: Judged at once, and from the start.
EAGER: dict[str, Any] = {"settle_seconds": 0.0, "warmup_seconds": 0.0, "resolvers": ("192.0.2.53",)}


def told(settings: Alerts, *rows: Any) -> dict[str, float]:
    alerting = Alerting(settings, None, lambda _: None)
    shown = snapshot(flows=list(rows))
    alerting.observe(shown)
    alerting.observe(shown)
    alerting.close()
    return {key.removeprefix("external_new."): n for key, n in alerting.stats().items() if n and "new" in key}


def bare(**values: Any) -> Any:
    return flow(**{"name": "", "evidence": "address", "opened": 1} | values)


def test_each_kind_is_told_once() -> None:
    rows = [
        bare(),
        flow(protocol="http", port=80, remote_ip="198.51.100.80"),
        bare(protocol="dns", transport="udp", port=53, remote_ip="198.51.100.1"),
        bare(protocol="dns", transport="udp", port=53, remote_ip="192.0.2.53"),
    ]
    assert told(Alerts(**EAGER), *rows) == {"direct": 1, "plaintext": 1, "resolver": 1}


def test_what_is_known_by_name_or_allowed_or_inside_is_not_told() -> None:
    assert told(Alerts(**EAGER), bare(), flow(port=80)) == {}  # the same workload knows the address by name
    assert told(Alerts(**EAGER), bare(scope="private"), bare(inferred=True), bare(role="server")) == {}
    assert told(Alerts(**EAGER, allow=(Allow(cidr="93.184.0.0/16"),)), bare()) == {}
    assert told(Alerts(**EAGER, allow=(Allow(workload="c*l", port=443),)), bare()) == {}
    assert told(Alerts(**EAGER, allow=(Allow(workload="c*l", port=444),)), bare()) == {"direct": 1}
    assert told(Alerts(**EAGER, kinds=("port",)), bare()) == {}


def test_lines_go_to_the_file_that_has_the_name_now(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    settings = Alerts(**EAGER, lines=AlertLines(path=file))
    alerting = Alerting(settings, None, lambda _: None, node="n")
    alerting.observe(snapshot(flows=[bare()]))
    alerting.close()
    record = json.loads(file.read_text(encoding="ascii"))
    assert (record["kind"], record["destination"], record["node"]) == ("direct", "93.184.216.34", "n")
    assert record["schema"] == "kindling.alert/1"
    assert record["time"] == "2024-03-05T12:00:00.000Z"
    file.rename(tmp_path / "alerts.json.1")
    alerting = Alerting(settings, None, lambda _: None, node="n")
    alerting.reconfigure(settings)
    alerting.observe(snapshot(flows=[bare()]))
    alerting.close()
    assert len(file.read_text(encoding="ascii").splitlines()) == 1


def test_a_disk_that_is_full_loses_lines_and_says_so_once() -> None:
    said: list[str] = []
    settings = Alerts(**EAGER, lines=AlertLines(path=Path("/dev/full")))
    alerting = Alerting(settings, None, said.append)
    alerting.observe(snapshot(flows=[bare(), bare(remote_ip="198.51.100.7")]))
    alerting.close()
    assert alerting.stats()["alerts.dropped"] == 2
    assert len(said) == 1
