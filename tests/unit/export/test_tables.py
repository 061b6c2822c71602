"""Tables: cells, order, records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import CURL, NGINX, NOON, flow, op, snapshot
from kindling.errors import InputError
from kindling.export import format as fmt
from kindling.export.filters import Filter
from kindling.export.horizon import Horizon
from kindling.export.table import Table, select
from kindling.export.tables import DNS, EXTERNAL, FLOWS, REQUESTS, TABLES
from kindling.model import UNKNOWN_POD, DnsAnswer, DnsRecord, Peer, Workload


def test_numbers_sort_from_high_to_low() -> None:
    view = snapshot(flows=[flow(opened=n) for n in (2, 9, 4)])
    records, total = select(FLOWS, view, Horizon(), sort="opened")
    assert [r["opened"] for r in records] == [9, 4, 2]
    assert total == 3


def test_text_sorts_from_a_to_z_and_a_minus_turns_round() -> None:
    view = snapshot(flows=[flow(workload=w) for w in (NGINX, CURL)])
    assert [r["workload"] for r in select(FLOWS, view, Horizon(), sort="workload")[0]] == ["curl", "nginx.service"]
    assert [r["workload"] for r in select(FLOWS, view, Horizon(), sort="-workload")[0]] == ["nginx.service", "curl"]


def test_the_limit_keeps_the_total() -> None:
    view = snapshot(flows=[flow(opened=n) for n in range(5)])
    records, total = select(FLOWS, view, Horizon(), sort="opened", limit=2)
    assert ([r["opened"] for r in records], total) == ([4, 3], 5)


def test_an_unknown_key_is_refused_with_those_known() -> None:
    with pytest.raises(InputError, match="last_seen"):
        select(FLOWS, snapshot(), Horizon(), sort="colour")


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_sortable_key_can_be_sorted_by(table: Table) -> None:
    view = snapshot(
        flows=[flow(opened=1), flow(opened=2, name="", evidence="address")],
        ops=[op((1,)), op((2,), protocol="dns", operation="A example.org", content="example.org", status="0")],
    )
    for key in table.sortable:
        records, _ = select(table, view, Horizon(), sort=key)
        assert records
        assert key in records[0] or (table is DNS and key == "mean_ns")


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_cell_can_be_shown(table: Table) -> None:
    view = snapshot(
        flows=[flow(failed={"refused": 1}), flow(name="", remote_ip="2001:db8::1", inferred=True)],
        ops=[op((1,)), op((2,), protocol="dns", operation="A example.org", content="example.org", status="")],
    )
    records, _ = select(table, view, Horizon())
    for record in records:
        for column in table.columns:
            assert column.show(record)


def test_external_puts_the_addresses_of_a_name_together() -> None:
    view = snapshot(
        flows=[
            flow(remote_ip="93.184.216.34", opened=2, bytes_out=5, first_seen=NOON - 9),
            flow(remote_ip="2606:2800::1", opened=1, failed={"timeout": 1}, last_seen=NOON + 5),
            flow(remote_ip="93.184.216.34", port=80, opened=7),
            flow(workload=NGINX, opened=1),
        ]
    )
    records, total = select(EXTERNAL, view, Horizon())
    assert total == 3
    first, second = records[0], records[1]
    assert (first["port"], first["connections"]) == (80, 7)
    assert (second["destination"], second["connections"], second["failed"]) == ("example.org", 3, {"timeout": 1})
    assert second["addresses"] == ["2606:2800::1", "93.184.216.34"]
    assert (second["first_seen"], second["last_seen"]) == (NOON - 9, NOON + 5)


def test_dns_shows_the_outcome_in_words_and_the_newest_answer() -> None:
    record = DnsRecord(name="example.org", type="A", ttl=300, value="93.184.216.34")
    answer = DnsAnswer(NOON, CURL, 1, "192.0.2.53", "example.org", "A", 0, (record,))
    found = op(
        (3,), protocol="dns", operation="A example.org", content="example.org", status="0", remote_ip="192.0.2.53"
    )
    missing = op((3,), protocol="dns", operation="A nope.test", content="nope.test", status="3", error=True)
    silent = op((3,), protocol="dns", operation="A slow.test", content="slow.test", status="", error=True)
    records, _ = select(DNS, snapshot(ops=[found, missing, silent], answers=[answer]), Horizon(), sort="question")
    assert [r["outcome"] for r in records] == ["NOERROR", "NXDOMAIN", "no answer"]
    assert records[0]["answers"] == [{"name": "example.org", "type": "A", "ttl": 300, "value": "93.184.216.34"}]
    assert records[0]["server"] == "192.0.2.53"
    assert records[1]["answers"] == []


def test_operations_without_requests_are_not_shown() -> None:
    assert select(REQUESTS, snapshot(ops=[op()]), Horizon()) == ([], 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_960, "100 kB"), (999_600, "1.0 MB"), (3e15, "3.0 PB")],
)
def test_size(value: float, text: str) -> None:
    assert fmt.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "-"),
        (640, "640 ns"),
        (1500, "1.50 µs"),
        (12_340, "12.3 µs"),
        (999_600, "1.00 ms"),
        (2.5e9, "2.50 s"),
        (3.6e12, "3600 s"),
    ],
)
def test_duration(value: float, text: str) -> None:
    assert fmt.duration(value) == text


def test_endpoint() -> None:
    assert fmt.endpoint("example.org", 443) == "example.org:443"
    assert fmt.endpoint("2001:db8::1", 443) == "[2001:db8::1]:443"


@given(st.text())
def test_no_text_disturbs_a_terminal(text: str) -> None:
    assert fmt.text(text).isprintable()


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0 s"), (99, "99 s"), (600, "10 min"), (7200, "2 h"), (2e5, "2 d")])
def test_span(seconds: float, text: str) -> None:
    assert fmt.span(seconds) == text


WEB_POD = Workload("deployment", "web", "shop", container="nginx", pod="web-1")
PEERED = flow(
    workload=WEB_POD,
    remote_ip="10.1.0.9",
    port=5432,
    peer=Peer("pod", "pay", "statefulset", "db", "db-0", "db", "n2"),
    opened=2,
)
CALLED = flow(
    workload=WEB_POD, role="server", remote_ip="10.1.0.7", peer=Peer("pod", "shop", "cronjob", "report", "report-1")
)
CLUSTER = snapshot(
    flows=[
        PEERED,
        CALLED,
        flow(workload=WEB_POD, remote_ip="10.96.0.1", peer=Peer("service", "pay", "service", "api", "", "api")),
        flow(workload=WEB_POD, remote_ip="10.96.0.2", peer=Peer("service", "pay", "service", "api", "api-1", "api")),
        flow(workload=WEB_POD, remote_ip="192.0.2.1", peer=Peer("node", "", "node", "n1", node="n1")),
        flow(workload=WEB_POD, remote_ip="10.1.9.9", name="", peer=UNKNOWN_POD),
    ]
)


def test_records_say_who_is_at_the_other_end() -> None:
    record = FLOWS.record(PEERED)
    assert {key: record[key] for key in record if key.startswith("peer_") or key == "pod"} == {
        "pod": "web-1",
        "peer_kind": "pod",
        "peer_namespace": "pay",
        "peer_workload_kind": "statefulset",
        "peer_workload": "db",
        "peer_pod": "db-0",
        "peer_service": "db",
        "peer_node": "n2",
        "peer_ip": "",
        "peer_port": 0,
        "peer_host_network": False,
        "peer_backends": [],
    }
    nobody = {key: value for key, value in FLOWS.record(flow()).items() if key.startswith("peer_")}
    assert nobody.pop("peer_backends") == []
    assert set(nobody.values()) == {"", 0}


def test_records_say_who_answers_behind_a_service() -> None:
    row = flow(workload=WEB_POD, remote_ip="10.96.0.1", peer=Peer("service", "pay", "service", "api", "", "api"))
    row.answering = lambda labels: ("pay/api-1", f"{labels.remote_ip}:1")
    assert FLOWS.record(row)["peer_backends"] == ["pay/api-1", "10.96.0.1:1"]


def test_cells_show_who_is_at_the_other_end() -> None:
    (column,) = [each for each in FLOWS.columns if each.title == "PEER"]
    (who,) = [each for each in FLOWS.columns if each.title == "WORKLOAD"]
    records = select(FLOWS, CLUSTER, Horizon(), sort="remote_ip")[0]
    assert [column.show(record) for record in records] == [
        ":443 < shop/report",
        "pay/db:5432",
        "10.1.9.9:443",
        "pay/api:443",
        "pay/api > api-1:443",
        "n1:443",
    ]
    assert {who.show(record) for record in records} == {"shop/web/nginx"}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(peer_workload=("db",)), 1),
        (Filter(peer_workload=("db-0", "report-*")), 2),
        (Filter(peer_workload=("api",), peer_namespace=("pay",)), 2),
        (Filter(peer_workload=("n1",)), 1),
        (Filter(peer_namespace=("pay",)), 3),
        (Filter(workload=("web-1",)), 6),
        (Filter(search="statef"), 0),
        (Filter(search="repo"), 1),
    ],
)
def test_rows_are_chosen_by_the_other_end(wanted: Filter, count: int) -> None:
    assert select(FLOWS, CLUSTER, Horizon(), wanted=wanted)[1] == count


def test_nobody_of_the_cluster_is_external() -> None:
    assert select(EXTERNAL, CLUSTER, Horizon())[1] == 0


def test_destinations_are_those_of_a_workload_not_of_its_pods() -> None:
    flows = [flow(workload=replace(WEB_POD, pod=f"web-{i}"), local_ip=f"10.1.0.{i}", opened=1) for i in range(3)]
    (record,) = select(EXTERNAL, snapshot(flows=flows), Horizon())[0]
    assert (record["connections"], record["namespace"], record["workload"], record["pod"]) == (3, "shop", "web", "")
