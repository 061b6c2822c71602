"""The text of /metrics, read back by prometheus_client and by promtool."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from factories import CURL, NGINX, NOON, SHOP, flow, op, request_event, snapshot
from kindling.config import Metrics
from kindling.export.agent_families import PART_STATS
from kindling.export.cluster_families import BY_RESOURCE, PLAIN, PREFIX
from kindling.export.families import FAMILIES
from kindling.export.prometheus import Exporter
from kindling.export.text import escape
from kindling.model import LOST_NAMES, FlowRow, OpRow, Snapshot, Workload
from kindling.model.histogram import BOUNDS_NS, BUCKETS

#: The names of these metrics are a contract with existing dashboards; see docs/metrics.md.
CONTRACT_UNITS = {
    "kindling_entity_request_duration_nanoseconds_total",
    "kindling_topology_request_duration_nanoseconds_total",
    "kindling_trace_request_duration_nanoseconds",
    "kindling_tcp_connect_duration_nanoseconds_total",
    "kindling_tcp_srtt_microseconds",
}


def exporter() -> Exporter:
    return Exporter(node="node-1")


def text_of(view: Snapshot, using: Exporter | None = None) -> str:
    return b"".join((using or exporter()).render(view)).decode()


def parse(text: str) -> dict[str, Metric]:
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def samples(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    return [
        (sample.labels, sample.value)
        for metric in text_string_to_metric_families(text)
        for sample in metric.samples
        if sample.name == name
    ]


def everything() -> Snapshot:
    """A snapshot that makes every family appear, but for kernel drops."""
    server = flow(workload=NGINX, role="server", remote_ip="198.51.100.7", port=80, protocol="http", name="", opened=4)
    client = flow(opened=3, connect_count=3, connect_ns=9_000, failed={"refused": 2}, srtt_us=120, bytes_out=10)
    return snapshot(
        flows=[server, client],
        ops=[
            op((1, 600), slow=1),
            op((1,), status="500", error=True),
            op((2,), workload=NGINX, role="server", local_ip="192.0.2.10", remote_ip="", name=""),
            op((2,), protocol="dns", operation="A example.org", content="example.org", status="0", port=53),
            op((5_000,), protocol="dns", operation="A example.net", content="example.net", status="", port=53),
        ],
        requests=[request_event()],
        stats={"ticks": 5, "tick_seconds": 0.01, "flow_slots": 10, "flow_slots_used": 2, "flow_slots_recycled": 1}
        | {"drops.NO_SOCKET": 3, "external_new.port": 2, "otlp.batches_in_the_air": 1}
        | dict.fromkeys(PART_STATS, 7.0)
        | {PREFIX + key: 7.0 for key in (*PLAIN, *(f"{key}.pods" for key in BY_RESOURCE))},
    )


def test_every_family_appears_and_no_other() -> None:
    text = text_of(everything())
    found = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert found == {family.name for family in FAMILIES}


def test_labels_are_those_of_the_table_of_families() -> None:
    metrics = parse(text_of(everything()))
    for family in FAMILIES:
        metric = metrics[family.name.removesuffix("_total") if family.type == "counter" else family.name]
        assert metric.type == family.type
        assert metric.documentation == family.help
        for sample in metric.samples:
            assert set(sample.labels) - {"le"} <= set(family.labels), family.name
            if family.name.startswith(("kindling_entity", "kindling_topology", "kindling_trace", "kindling_tcp")):
                assert set(sample.labels) == set(family.labels)


def test_no_series_appears_twice() -> None:
    lines = [line.rpartition(" ")[0] for line in text_of(everything()).splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))


def test_entity_and_topology() -> None:
    view = snapshot(
        ops=[
            op((1, 2, 900), slow=1, request_bytes=30, response_bytes=70),
            op((5,), workload=NGINX, role="server", remote_ip="", name="", request_bytes=3, response_bytes=4),
        ]
    )
    text = text_of(view)
    entity = samples(text, "kindling_entity_request_total")
    assert [(labels["is_slow"], value) for labels, value in entity] == [("false", 1), ("true", 0)]
    assert entity[0][0] == {
        "namespace": "",
        "workload_kind": "unit",
        "workload_name": "nginx.service",
        "service": "",
        "pod": "",
        "container": "",
        "container_id": "",
        "node": "node-1",
        "ip": "192.0.2.10",
        "port": "80",
        "protocol": "http",
        "request_content": "/users/*",
        "response_content": "200",
        "is_slow": "false",
    }
    assert samples(text, "kindling_entity_request_send_bytes_total")[0][1] == 4
    assert samples(text, "kindling_entity_request_receive_bytes_total")[0][1] == 3
    topology = samples(text, "kindling_topology_request_total")
    assert [(labels["is_slow"], value) for labels, value in topology] == [("false", 2), ("true", 1)]
    assert topology[0][0]["dst_ip"] == "93.184.216.34"
    assert topology[0][0]["dst_port"] == "80"
    assert topology[0][0]["status_code"] == "200"
    assert samples(text, "kindling_topology_request_request_bytes_total")[0][1] == 30
    assert samples(text, "kindling_topology_request_response_bytes_total")[0][1] == 70
    assert samples(text, "kindling_topology_request_duration_nanoseconds_total")[0][1] == 903e6


def test_rows_with_the_same_labels_are_added_up() -> None:
    view = snapshot(ops=[op((1,), operation="GET /users/*"), op((1, 1), operation="POST /users/*")])
    text = text_of(view)
    assert samples(text, "kindling_topology_request_total")[0][1] == 3
    assert len(samples(text, "kindling_request_duration_seconds_count")) == 1
    assert samples(text, "kindling_request_duration_seconds_count")[0][1] == 3


def test_a_peer_on_this_host_is_named() -> None:
    using = exporter()
    request = op((1,), remote_ip="192.0.2.20", port=8080)
    before = samples(text_of(snapshot(ops=[request]), using), "kindling_topology_request_total")
    assert before[0][0]["dst_workload_name"] == ""
    server = flow(workload=SHOP, role="server", local_ip="192.0.2.20", port=8080, opened=1)
    after = samples(text_of(snapshot(ops=[request], flows=[server]), using), "kindling_topology_request_total")
    assert after[0][0]["dst_workload_name"] == "shop"
    assert after[0][0]["dst_container_id"] == "0123456789ab"


def test_an_address_that_two_workloads_serve_names_none() -> None:
    servers = [flow(workload=w, role="server", local_ip="127.0.0.1", port=80) for w in (SHOP, NGINX)]
    view = snapshot(ops=[op((1,), remote_ip="127.0.0.1")], flows=servers)
    assert samples(text_of(view), "kindling_topology_request_total")[0][0]["dst_workload_name"] == ""


def test_the_histogram_has_the_kernels_counts() -> None:
    row = op()
    row.hist[:] = 1
    row.count = BUCKETS
    buckets = samples(text_of(snapshot(ops=[row])), "kindling_request_duration_seconds_bucket")
    for labels, value in buckets[:-1]:
        bound = round(float(labels["le"]) * 1e9)
        assert bound in BOUNDS_NS
        assert value == sum(1 for edge in BOUNDS_NS if edge <= bound)
    assert buckets[-1] == (buckets[-1][0] | {"le": "+Inf"}, BUCKETS)


def test_connects() -> None:
    view = snapshot(flows=[flow(connect_count=7, connect_ns=700, failed={"refused": 2, "timeout": 1})])
    text = text_of(view)
    found = {
        (labels["success"], labels["errno"]): value for labels, value in samples(text, "kindling_tcp_connect_total")
    }
    assert found == {("true", "0"): 7, ("false", "111"): 2, ("false", "110"): 1}
    assert samples(text, "kindling_tcp_connect_duration_nanoseconds_total")[0][1] == 700


def test_ephemeral_ports_are_zero() -> None:
    view = snapshot(flows=[flow(retransmits=1), flow(role="server", local_ip="192.0.2.11", retransmits=2)])
    ports = {
        (labels["src_port"], labels["dst_port"]): value
        for labels, value in samples(text_of(view), "kindling_tcp_retransmit_total")
    }
    assert ports == {("0", "443"): 1, ("443", "0"): 2}


def test_udp_is_not_in_the_tcp_families() -> None:
    text = text_of(snapshot(flows=[flow(transport="udp", protocol="dns", port=53)]))
    assert not samples(text, "kindling_tcp_retransmit_total")
    assert samples(text, "kindling_external_connections_total")


def test_external_counts_what_leaves_the_host() -> None:
    view = snapshot(
        flows=[
            flow(opened=5, bytes_out=10, bytes_in=20, failed={"reset": 1}),
            flow(remote_ip="127.0.0.1", scope="loopback", opened=1),
            flow(remote_ip="192.0.2.10", scope="own", opened=1),
            flow(role="server", remote_ip="198.51.100.3", opened=1),
            flow(remote_ip="2001:db8::1", name="", evidence="address", opened=2),
            flow(remote_ip="10.1.2.3", name="", evidence="address", scope="private", network="office", opened=4),
        ]
    )
    text = text_of(view)
    found = samples(text, "kindling_external_connections_total")
    assert {labels["destination"]: value for labels, value in found} == {
        "example.org": 5,
        "2001:db8::1": 2,
        "10.1.2.3": 4,
    }
    assert found[0][0] == {
        "src_node": "node-1",
        "src_workload_kind": "process",
        "src_workload_name": "curl",
        "destination": "example.org",
        "dst_port": "443",
        "transport": "tcp",
        "protocol": "tls",
        "scope": "public",
        "evidence": "sni",
    }
    assert (found[2][0]["scope"], found[2][0]["network"]) == ("private", "office")
    bytes_of = [
        (labels["direction"], value)
        for labels, value in samples(text, "kindling_external_bytes_total")
        if labels["destination"] == "example.org"
    ]
    assert bytes_of == [("out", 10), ("in", 20)]
    assert samples(text, "kindling_external_connect_failures_total")[0][0]["reason"] == "reset"


def test_one_name_on_two_addresses_is_one_destination() -> None:
    rows = [flow(remote_ip=f"93.184.216.{i}", opened=i, active=1, failed={"timeout": i}) for i in (1, 2)]
    text = text_of(snapshot(flows=rows))
    assert [value for _, value in samples(text, "kindling_external_connections_total")] == [3]
    assert [value for _, value in samples(text, "kindling_external_active_connections")] == [2]
    assert [value for _, value in samples(text, "kindling_external_connect_failures_total")] == [3]
    assert len(samples(text, "kindling_trace_request_duration_nanoseconds")) == 2


def test_a_destination_whose_scope_becomes_another_moves() -> None:
    using = exporter()
    row = flow(opened=3)
    text_of(snapshot(flows=[row]), using)
    row.labels = replace(row.labels, scope="private", network="office")
    (labels, value), *rest = samples(text_of(snapshot(flows=[row]), using), "kindling_external_connections_total")
    assert (labels["scope"], labels["network"], value, rest) == ("private", "office", 3, [])
    row.labels = replace(row.labels, scope="own")
    assert not samples(text_of(snapshot(flows=[row]), using), "kindling_external_connections_total")


def test_trace_stays_for_every_scraper() -> None:
    using = exporter()
    view = snapshot(requests=[request_event(), request_event(wait_ns=1_600_000_000)])
    first, second = text_of(view, using), text_of(view, using)
    series = samples(first, "kindling_trace_request_duration_nanoseconds")
    assert len(series) == 2
    assert series == samples(second, "kindling_trace_request_duration_nanoseconds")
    assert [value for _, value in series] == [303_000_000, 1_603_000_000]
    statuses = [(labels["request_duration_status"], labels["request_processing_status"]) for labels, _ in series]
    assert statuses == [("1", "2"), ("3", "3")]
    assert series[0][0]["dst_ip"] == "93.184.216.34"
    assert series[0][0]["is_server"] == "false"


def test_trace_has_the_last_duration_of_a_label_set() -> None:
    events = [request_event(), request_event(wait_ns=250_000_000)]
    values = samples(text_of(snapshot(requests=events)), "kindling_trace_request_duration_nanoseconds")
    assert [value for _, value in values] == [253_000_000]


def test_trace_of_a_server_turns_source_and_destination() -> None:
    view = snapshot(requests=[request_event(role="server", workload=NGINX, local_port=80, remote_port=50_000)])
    labels = samples(text_of(view), "kindling_trace_request_duration_nanoseconds")[0][0]
    assert (labels["src_ip"], labels["dst_ip"], labels["dst_port"]) == ("93.184.216.34", "192.0.2.10", "80")
    assert labels["dst_workload_name"] == "nginx.service"
    assert labels["is_server"] == "true"


def test_settings_can_change() -> None:
    using = Exporter(node="node-1", settings=Metrics(series=1_000, idle_seconds=10_000))
    flows, _ = _many(400, 0)
    assert len(samples(text_of(snapshot(flows=flows), using), "kindling_external_connections_total")) < 400
    using.reconfigure(Metrics(series=10_000, idle_seconds=60))
    for row in flows:
        row.last_seen += 1
    assert len(samples(text_of(snapshot(flows=flows, time=NOON + 1), using), "kindling_k8s_workload_info")) == 1
    for row in flows:
        row.last_seen += 1
    shown = samples(text_of(snapshot(flows=flows, time=NOON + 2), using), "kindling_external_connections_total")
    assert len(shown) == 401  # each of its own, and what was counted before under `other`
    assert sum(value for _, value in shown) == sum(row.opened for row in flows)
    idle = samples(text_of(snapshot(flows=flows, time=NOON + 100), using), "kindling_external_connections_total")
    assert {labels["destination"] for labels, _ in idle} == {"other"}


def test_old_traces_are_given_up() -> None:
    using = exporter()
    text_of(snapshot(requests=[request_event()]), using)
    later = text_of(snapshot(requests=[request_event()], time=NOON + 4_000), using)
    assert not samples(later, "kindling_trace_request_duration_nanoseconds")


def test_every_cause_of_loss_is_there_from_the_start() -> None:
    lost = {labels["cause"]: value for labels, value in samples(text_of(snapshot()), "kindling_agent_lost_total")}
    assert set(lost) == set(LOST_NAMES)
    assert not any(lost.values())


def test_other_losses_appear_when_they_happen() -> None:
    text = text_of(snapshot(lost={"gap": 3, "row_limit": 1}))
    lost = {labels["cause"]: value for labels, value in samples(text, "kindling_agent_lost_total")}
    assert lost["gap"] == 3
    assert lost["row_limit"] == 1


@given(st.text())
def test_any_label_survives(name: str) -> None:
    workload = Workload(kind="process", name=name)
    text = text_of(snapshot(flows=[flow(workload=workload, opened=1)]))
    labels = samples(text, "kindling_tcp_retransmit_total")[0][0]
    assert labels["src_workload_name"] == name


def test_lone_surrogates_do_not_break_a_scrape() -> None:
    text = text_of(snapshot(flows=[flow(workload=Workload(kind="process", name="a\udcffb"), opened=1)]))
    assert samples(text, "kindling_tcp_retransmit_total")[0][0]["src_workload_name"] == "a?b"


def test_escape() -> None:
    assert escape('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_finds_nothing_but_the_units_of_the_contract() -> None:
    result = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(everything()), capture_output=True, text=True, check=False
    )
    remarks = (result.stdout + result.stderr).strip().splitlines()
    assert {remark.split()[0] for remark in remarks} == CONTRACT_UNITS
    assert all("use base unit" in remark for remark in remarks)


def _many(flows: int, ops: int) -> tuple[Sequence[FlowRow], Sequence[OpRow]]:
    return (
        [flow(remote_ip=f"93.184.{i // 256}.{i % 256}", name=f"h{i}.example.org", opened=i) for i in range(flows)],
        [op((i % 700,), operation=f"GET /{i}", content=f"/{i}") for i in range(ops)],
    )


def test_twenty_thousand_series_are_complete() -> None:
    flows, ops = _many(1_900, 500)
    text = text_of(snapshot(flows=flows, ops=ops), Exporter(node="node-1", settings=Metrics(series=100_000)))
    assert sum(1 for line in text.splitlines() if line[0] != "#") >= 20_000
    assert len(samples(text, "kindling_external_connections_total")) == 1_900
    assert CURL.name in text
