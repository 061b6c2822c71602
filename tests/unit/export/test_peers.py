"""Who is at an end, as labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from factories import NGINX, flow, op, request_event, snapshot
from kindling.export.peers import UNKNOWN, Endpoints, Side, there
from kindling.export.prometheus import Exporter
from kindling.model import UNKNOWN_POD, Peer, Snapshot, Workload

WEB = Workload("deployment", "web", "shop", container="nginx", pod="web-1", container_id="0123456789ab")
DB = Peer("pod", "pay", "statefulset", "db", "db-0", "db", "n2", "192.0.2.2")
CLIENT = Peer("pod", "shop", "cronjob", "report", "report-1", node="n2")
NODE = Peer("node", "", "node", "n1", node="n1", node_ip="192.0.2.1")
HOST_POD = replace(NODE, namespace="kube", workload_kind="daemonset", workload_name="exporter", pod="exporter-1")


def shown(view: Snapshot, name: str, exporter: Exporter | None = None) -> list[dict[str, str]]:
    """Labels of a family's series, those without a value left out."""
    text = b"".join((exporter or Exporter(node="n1")).render(view)).decode()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return [{k: v for k, v in each.labels.items() if v} for each in samples if each.name == name]


def ends(labels: dict[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in labels.items() if name.startswith(prefix)}


OF_WEB = {
    "node": "n1",
    "namespace": "shop",
    "workload_kind": "deployment",
    "workload_name": "web",
    "pod": "web-1",
    "container": "nginx",
    "container_id": "0123456789ab",
}
OF_DB = {
    "node": "n2",
    "namespace": "pay",
    "workload_kind": "statefulset",
    "workload_name": "db",
    "pod": "db-0",
    "service": "db",
    "ip": "10.1.0.9",
}


def test_entity_of_a_pod() -> None:
    row = op((1,), workload=WEB, role="server", local_ip="10.1.0.5", remote_ip="", name="", service="web")
    labels = shown(snapshot(ops=[row]), "kindling_entity_request_total")[0]
    assert labels.items() >= ({**OF_WEB, "service": "web", "ip": "10.1.0.5"}).items()


def test_topology_from_pod_to_pod() -> None:
    row = op((1,), workload=WEB, local_ip="10.1.0.5", remote_ip="10.1.0.9", peer=DB)
    labels = shown(snapshot(ops=[row]), "kindling_topology_request_total")[0]
    assert ends(labels, "src_") == {**OF_WEB, "ip": "10.1.0.5"}
    assert ends(labels, "dst_") == {**OF_DB, "port": "80"}


def test_the_client_of_a_slow_request_is_its_source() -> None:
    event = request_event(
        workload=WEB,
        role="server",
        local_ip="10.1.0.5",
        local_port=80,
        remote_ip="10.1.2.3",
        peer=CLIENT,
        service="web",
    )
    labels = shown(snapshot(requests=[event]), "kindling_trace_request_duration_nanoseconds")[0]
    assert ends(labels, "src_") == {
        "node": "n2",
        "namespace": "shop",
        "workload_kind": "cronjob",
        "workload_name": "report",
        "pod": "report-1",
        "ip": "10.1.2.3",
    }
    assert ends(labels, "dst_") == {**OF_WEB, "service": "web", "ip": "10.1.0.5", "port": "80"}


def test_tcp_has_addresses_of_nodes() -> None:
    row = flow(workload=WEB, local_ip="10.1.0.5", remote_ip="10.1.0.9", port=5432, peer=DB, srtt_us=9)
    labels = shown(snapshot(flows=[row], node_ip="192.0.2.1"), "kindling_tcp_srtt_microseconds")[0]
    assert ends(labels, "src_") == {**OF_WEB, "ip": "10.1.0.5", "node_ip": "192.0.2.1", "port": "0"}
    assert ends(labels, "dst_") == {**OF_DB, "node_ip": "192.0.2.2", "port": "5432"}


def test_the_nodes_own_address_is_learned_late() -> None:
    exporter = Exporter(node="n1")
    row = flow(workload=WEB, srtt_us=9)
    for node_ip in ("", "192.0.2.1"):
        labels = shown(snapshot(flows=[row], node_ip=node_ip), "kindling_tcp_srtt_microseconds", exporter)[0]
        assert labels.get("src_node_ip", "") == node_ip


SERVERS = {("10.1.0.9", 80): WEB, ("192.0.2.1", 80): NGINX}


@pytest.mark.parametrize(
    ("at", "peer", "side"),
    [
        (("10.1.0.8", 80), None, UNKNOWN),
        (("10.1.0.8", 80), DB, there(DB)),
        (("10.1.0.9", 80), None, Side("n1", "shop", "deployment", "web", "", "web-1", "nginx", "0123456789ab")),
        (("10.1.0.9", 80), DB, there(DB)),
        (("10.1.0.9", 80), UNKNOWN_POD, there(UNKNOWN_POD)),
        (
            ("10.1.0.9", 80),
            Peer("pod", "shop", "deployment", "web", "web-1", "front", "n1"),
            Side("n1", "shop", "deployment", "web", "front", "web-1", "nginx", "0123456789ab"),
        ),
        (("192.0.2.1", 80), NODE, Side("n1", "", "unit", "nginx.service")),
        (("192.0.2.1", 80), HOST_POD, Side("n1", "", "unit", "nginx.service")),
        (("192.0.2.1", 81), HOST_POD, Side("n1", "kube", "daemonset", "exporter", "", "exporter-1")),
        (("192.0.2.1", 81), NODE, Side("n1", "", "node", "n1")),
        (("192.0.2.1", 80), replace(NODE, node="n2"), Side("n2", "", "node", "n1")),
    ],
)
def test_a_remote_end_on_this_node(at: tuple[str, int], peer: Peer | None, side: Side) -> None:
    """It has its container, unless another pod has the address by now."""
    endpoints = Endpoints("n1")
    endpoints.learn(
        flow(workload=who, role="server", local_ip=ip, port=port, protocol="http")
        for (ip, port), who in SERVERS.items()
    )
    assert endpoints.there(*at, peer) == side


def test_what_was_counted_before_a_service_was_known_is_not_counted_twice() -> None:
    exporter = Exporter(node="n1")
    row: Any = op((1, 1), workload=WEB, role="server", local_ip="10.1.0.5", remote_ip="", name="")
    first = shown(snapshot(ops=[row]), "kindling_entity_request_total", exporter)
    row.labels = replace(row.labels, service="web")
    second = shown(snapshot(ops=[row]), "kindling_entity_request_total", exporter)
    assert len(first) == len(second)
    assert {labels.get("service") for labels in second} == {"web"}


BEHIND = replace(DB, kind="service", backend_ip="10.1.0.9", backend_port=5432)


def test_a_service_whose_pod_is_known() -> None:
    """Topology tells where the call went, a trace and a connection where it was sent, and both."""
    to = {"workload": WEB, "remote_ip": "10.96.0.7", "peer": BEHIND}
    view = snapshot(
        ops=[op((1,), port=80, **to)],
        flows=[flow(port=80, connect_count=1, srtt_us=5, **to)],
        requests=[request_event(remote_port=80, **to)],
    )
    went = {**OF_DB, "port": "5432"}
    sent = {**OF_DB, "ip": "10.96.0.7", "port": "80"}
    assert ends(shown(view, "kindling_topology_request_total")[0], "dst_") == went
    assert ends(shown(view, "kindling_tcp_srtt_microseconds")[0], "dst_") == {**went, "node_ip": "192.0.2.2"}
    for name in ("kindling_trace_request_duration_nanoseconds", "kindling_tcp_connect_total"):
        labels = shown(view, name)[0]
        assert ends(labels, "dnat_") == {"ip": "10.1.0.9", "port": "5432"}
        assert ends(labels, "dst_").items() >= sent.items()


def test_a_service_whose_pod_is_not_known() -> None:
    peer = Peer("service", "pay", "service", "db", service="db")
    row = flow(workload=WEB, remote_ip="10.96.0.7", port=80, connect_count=1, peer=peer)
    labels = shown(snapshot(flows=[row]), "kindling_tcp_connect_total")[0]
    assert ends(labels, "dnat_") == {}
    assert labels["dst_workload_kind"] == "service"
