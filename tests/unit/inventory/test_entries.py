"""Rows become entries: what is added, joined, and told as new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factories import CURL, NOON, SHOP, flow
from kindling.inventory.counters import COUNTERS, EVIDENCE, EVIDENCE_UNITS, FAILED
from kindling.model import Workload
from kindling.model.codes import FAILURE_NAMES
from unit.inventory.store_factory import records, store, sums, write


def test_counters_follow_the_model() -> None:
    assert tuple(name.removeprefix("failed_") for name in FAILED) == FAILURE_NAMES
    assert set(EVIDENCE_UNITS) == set(EVIDENCE)
    assert len(set(COUNTERS)) == len(COUNTERS)


def test_an_entry_has_what_its_rows_counted(tmp_path: Path) -> None:
    kept = store(tmp_path)
    row = flow(
        workload=SHOP,
        opened=3,
        bytes_out=100,
        bytes_in=2_000,
        failed={"refused": 2, "timeout": 1},
        tls_version="1.3",
        alpn="h2",
        scope="private",
        network="office",
    )
    row.last_seen = NOON + 5
    write(kept, row)
    assert records(kept) == [
        {
            "workload": "shop",
            "workload_kind": "container",
            "namespace": "",
            "container": "shop",
            "container_id": "0123456789ab",
            "pod": "",
            "pid": 99,
            "comm": "node",
            "exe": "",
            "destination": "example.org",
            "name": "example.org",
            "evidence": "sni",
            "addresses": ["93.184.216.34"],
            "more_addresses": 0,
            "port": 443,
            "transport": "tcp",
            "protocol": "tls",
            "scope": "private",
            "network": "office",
            "inferred": False,
            "connections": 3,
            "active": 0,
            "failures": 3,
            "failed": {"refused": 2, "timeout": 1},
            "bytes_out": 100,
            "bytes_in": 2_000,
            "connections_by_evidence": {"sni": 3},
            "tls_version": "1.3",
            "alpn": "h2",
            "first_seen": NOON,
            "last_seen": NOON + 5,
        }
    ]


def test_only_differences_are_added(tmp_path: Path) -> None:
    kept = store(tmp_path)
    row = flow(opened=1, bytes_in=10)
    for _ in range(3):
        write(kept, row)
    row.opened, row.bytes_in = 4, 15
    write(kept, row)
    assert [(each["connections"], each["bytes_in"]) for each in records(kept)] == [(4, 15)]


def test_a_row_that_comes_again_counts_from_zero(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=5))
    again = flow(opened=2)
    again.first_seen = again.last_seen = NOON + 3_600
    write(kept, again)
    again.opened = 3
    write(kept, again)
    assert records(kept)[0]["connections"] == 8


def test_a_row_that_counts_less_than_before_was_counted_anew(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=5, bytes_in=100))
    write(kept, flow(opened=1, bytes_in=200))
    assert [(each["connections"], each["bytes_in"]) for each in records(kept)] == [(6, 300)]


def test_a_row_without_counts_makes_no_entry(tmp_path: Path) -> None:
    kept = store(tmp_path)
    assert not write(kept, flow(active=1, unsettled=1))
    assert not records(kept)


def test_one_name_on_many_addresses_is_one_entry(tmp_path: Path) -> None:
    kept = store(tmp_path, max_addresses=3)
    write(kept, *(flow(opened=1, remote_ip=f"192.0.2.{i}") for i in range(5)))
    (entry,) = records(kept)
    assert entry["addresses"] == ["192.0.2.4", "192.0.2.3", "192.0.2.2"]
    assert (entry["more_addresses"], entry["connections"]) == (2, 5)


def test_two_names_behind_one_address_are_two_entries(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=1, name="a.example"), flow(opened=2, name="b.example"))
    assert {each["destination"]: each["connections"] for each in records(kept)} == {"a.example": 1, "b.example": 2}


def test_the_best_evidence_is_kept_and_each_is_counted(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=2, evidence="dns"), flow(opened=3, evidence="sni"), flow(opened=1, evidence="dns", port=80))
    by_port = {each["port"]: each for each in records(kept)}
    assert by_port[443]["evidence"] == "sni"
    assert by_port[443]["connections_by_evidence"] == {"sni": 3, "dns": 2}
    assert by_port[80]["evidence"] == "dns"


def test_failures_of_an_unknown_protocol_join_the_known_one(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(
        kept,
        flow(opened=2),
        flow(protocol="unknown", failed={"reset": 4}, evidence="dns"),
        flow(protocol="unknown", port=25, failed={"timeout": 1}),
    )
    by_port = {each["port"]: each for each in records(kept)}
    assert (by_port[443]["protocol"], by_port[443]["connections"], by_port[443]["failed"]) == ("tls", 2, {"reset": 4})
    assert by_port[25]["protocol"] == "unknown"


def test_the_newest_process_of_a_workload_is_shown(tmp_path: Path) -> None:
    kept = store(tmp_path)
    write(kept, flow(opened=1))
    later = type(CURL)(kind="process", name="curl", pid=99_999, comm="curl", exe="/opt/curl")
    write(kept, flow(workload=later, opened=1, remote_ip="192.0.2.1"))
    assert [(each["pid"], each["exe"], each["connections"]) for each in records(kept)] == [(99_999, "/opt/curl", 2)]


@pytest.mark.parametrize(
    ("second", "news"),
    [
        ({"name": "other.example"}, ["destination other.example:443"]),
        ({"port": 8443}, ["port example.org:8443"]),
        ({"transport": "udp"}, ["port example.org:443"]),
        ({"workload": SHOP}, ["destination example.org:443"]),
        ({"remote_ip": "192.0.2.7"}, []),
        ({"protocol": "http"}, []),
        ({"evidence": "dns"}, []),
        ({"name": "", "evidence": "address", "remote_ip": "2001:db8::1"}, ["destination 2001:db8::1:443"]),
    ],
)
def test_what_is_new(tmp_path: Path, second: dict[str, Any], news: list[str]) -> None:
    kept = store(tmp_path)
    assert write(kept, flow(opened=1)) == ["destination example.org:443"]
    assert write(kept, flow(opened=1, **second)) == news
    assert not write(kept, flow(opened=2, **second))


def test_nothing_is_new_while_it_learns(tmp_path: Path) -> None:
    kept = store(tmp_path, learning_seconds=60)
    assert not write(kept, flow(opened=1))
    kept.clock.now += 61  # type: ignore[attr-defined]
    assert not write(kept, flow(opened=2))
    assert write(kept, flow(opened=2, port=80)) == ["port example.org:80"]


def test_days_add_up_to_the_whole(tmp_path: Path) -> None:
    kept = store(tmp_path)
    row = flow()
    for day in range(4):
        row.opened += 1 + day
        row.bytes_out += 7
        row.last_seen = NOON + day * 86_400
        write(kept, row)
    found = kept.ask([], lambda connection: (sums(connection, "daily"), sums(connection, "tally")))
    assert found[0] == found[1]
    assert found[0]["connections"] == 10
    days = kept.ask([], lambda c: c.execute("SELECT day, connections FROM daily ORDER BY day").fetchall())
    assert [count for _, count in days] == [1, 2, 3, 4]


def test_a_clock_that_is_set_back_leaves_no_time_in_the_future(tmp_path: Path) -> None:
    kept = store(tmp_path)
    row = flow(opened=1)
    row.first_seen = row.last_seen = NOON + 80 * 365 * 86_400
    write(kept, row)
    row.opened, row.last_seen = 2, NOON
    write(kept, row)
    (entry,) = records(kept)
    assert (entry["first_seen"], entry["last_seen"], entry["connections"]) == (NOON, NOON, 2)


def test_a_clock_that_is_set_forward_keeps_the_first_sight(tmp_path: Path) -> None:
    kept = store(tmp_path)
    row = flow(opened=1)
    row.first_seen = row.last_seen = 60.0  # 1970: a board without a clock of its own
    write(kept, row)
    row.opened, row.last_seen = 2, NOON
    write(kept, row)
    (entry,) = records(kept)
    assert (entry["first_seen"], entry["last_seen"]) == (60.0, NOON)


def test_pods_of_one_workload_are_one_entry(tmp_path: Path) -> None:
    """Each counts for itself: rows that differ by their pod only are told apart."""
    kept = store(tmp_path)
    rows = [flow(workload=Workload("deployment", "web", "shop", pod=f"web-{i}"), opened=i) for i in (1, 2)]
    write(kept, *rows)
    rows[0].opened = 5
    write(kept, *rows)
    (record,) = records(kept)
    assert (record["namespace"], record["workload"], record["pod"], record["connections"]) == ("shop", "web", "", 7)
