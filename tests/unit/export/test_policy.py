"""Policies as a cluster would read them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from factories import flow, snapshot
from kindling.export.horizon import Horizon
from kindling.export.policy import FORMATS, Format, policies, seen_of
from kindling.export.table import select
from kindling.export.tables import EXTERNAL, FLOWS
from kindling.model import UNKNOWN_POD, Peer, Workload

CART = {"workload": "cart", "workload_kind": "deployment", "namespace": "shop"}
API = {
    **CART,
    "destination": "api.example.org",
    "name": "api.example.org",
    "evidence": "sni",
    "addresses": ["192.0.2.7", "2001:db8::7"],
    "port": 443,
    "transport": "tcp",
    "protocol": "tls",
    "scope": "public",
    "connections": 34,
    "failures": 2,
}
PEER = {
    **CART,
    "role": "client",
    "remote_ip": "10.2.0.9",
    "name": "",
    "evidence": "address",
    "port": 8080,
    "transport": "tcp",
    "protocol": "http",
    "scope": "private",
    "opened": 5,
    "peer_kind": "pod",
    "peer_namespace": "pay",
    "peer_workload": "ledger",
    "peer_workload_kind": "deployment",
}


WEB = Workload("deployment", "web", "shop", container="nginx", pod="web-1")


def written(
    flows: list[dict[str, Any]], external: list[dict[str, Any]], chosen: Format = "kubernetes", **more: Any
) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all(policies(seen_of(flows, external), chosen, **more))
    return [each for each in documents if each is not None]


def test_a_name_becomes_the_addresses_that_were_seen() -> None:
    (policy,) = written([], [API])
    assert policy == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "cart-seen", "namespace": "shop"},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "cart"}},
            "policyTypes": ["Egress"],
            "egress": [
                {
                    "to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}, {"ipBlock": {"cidr": "2001:db8::7/128"}}],
                    "ports": [{"protocol": "TCP", "port": 443}],
                }
            ],
        },
    }


def test_counts_and_evidence_are_comments() -> None:
    text = policies(seen_of([], [API]), "kubernetes", notes=["Watched since then."])
    assert "# api.example.org, TCP 443: 34 connections, 2 failed, tls, known by sni\n" in text
    assert "# Watched since then.\n" in text
    assert "CHECK: nothing here allows DNS" in text


def test_cilium_allows_the_name_and_asking_for_it() -> None:
    (policy,) = written([], [API], "cilium")
    dns, rule = policy["spec"]["egress"]
    assert dns["toPorts"][0]["rules"] == {"dns": [{"matchName": "api.example.org"}]}
    assert rule == {
        "toFQDNs": [{"matchName": "api.example.org"}],
        "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}],
    }


@pytest.mark.parametrize(
    "change", [{"name": "", "evidence": "address"}, {"evidence": "static"}, {"name": "a b\n- x"}, {"name": "192.0.2.7"}]
)
def test_cilium_takes_addresses_where_no_answer_of_dns_stands_behind(change: dict[str, Any]) -> None:
    (policy,) = written([], [{**API, **change}], "cilium")
    (rule,) = policy["spec"]["egress"]
    assert rule["toCIDR"] == ["192.0.2.7/32", "2001:db8::7/128"]


def test_workloads_of_the_cluster_are_allowed_by_label() -> None:
    (policy,) = written([PEER], [], label="app")
    (rule,) = policy["spec"]["egress"]
    assert rule["to"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "pay"}},
            "podSelector": {"matchLabels": {"app": "ledger"}},
        }
    ]
    (policy,) = written([PEER], [], "cilium", label="app")
    (rule,) = policy["spec"]["egress"]
    assert rule["toEndpoints"] == [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "pay", "app": "ledger"}}]


def test_without_peers_there_are_addresses() -> None:
    """An agent that knows no cluster."""
    plain = {key: value for key, value in PEER.items() if not key.startswith("peer_")}
    (policy,) = written([{**plain, "scope": "own"}], [])
    assert policy["spec"]["egress"][0]["to"] == [{"ipBlock": {"cidr": "10.2.0.9/32"}}]
    assert written([plain], []) == []  # external has it


def test_a_service_whose_pods_were_not_seen_is_said() -> None:
    service = {**PEER, "peer_kind": "service", "peer_workload": "", "peer_service": "ledger"}
    text = policies(seen_of([service], [API]), "kubernetes")
    assert "# Service ledger of pay, TCP 8080: 5 connections" in text
    assert "which pods answered was not seen" in text
    assert len(yaml.safe_load(text)["spec"]["egress"]) == 1


def test_nodes() -> None:
    node = {**PEER, "peer_kind": "node", "peer_namespace": "", "peer_workload": "n1"}
    assert written([node], [])[0]["spec"]["egress"][0]["to"] == [{"ipBlock": {"cidr": "10.2.0.9/32"}}]
    assert "remote-node" in written([node], [], "cilium")[0]["spec"]["egress"][0]["toEntities"]


def test_a_pod_on_a_nodes_network_is_none_to_policies() -> None:
    """No selector of pods matches it."""
    pod = {**PEER, "peer_kind": "node", "peer_namespace": "kube", "peer_workload": "exporter", "peer_pod": "exporter-1"}
    assert written([pod], [])[0]["spec"]["egress"][0]["to"] == [{"ipBlock": {"cidr": "10.2.0.9/32"}}]
    behind = {**PEER, "peer_kind": "service", "peer_service": "metrics", "peer_host_network": True, "peer_port": 9100}
    (rule,) = written([{**behind, "peer_ip": "192.0.2.1"}], [])[0]["spec"]["egress"]
    assert rule == {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"protocol": "TCP", "port": 9100}]}
    text = policies(seen_of([{**behind, "peer_ip": ""}], []), "kubernetes")
    assert "# CHECK: a policy allows pods, no Service" in text, "they are several"
    assert yaml.safe_load(text)["spec"]["egress"] == []


def test_what_never_answered_is_not_allowed() -> None:
    text = policies(seen_of([], [{**API, "connections": 0, "failures": 4}]), "kubernetes")
    assert yaml.safe_load(text)["spec"]["egress"] == []
    assert "# Not allowed, for it never answered: api.example.org, TCP 443, tried 4 times\n" in text


def test_records_of_several_nodes_are_one_rule() -> None:
    text = policies(seen_of([], [API, {**API, "addresses": ["192.0.2.8"], "connections": 1}]), "kubernetes")
    (rule,) = yaml.safe_load(text)["spec"]["egress"]
    assert len(rule["to"]) == 3
    assert "35 connections" in text


def test_workloads_have_documents_of_their_own() -> None:
    found = written([], [API, {**API, "workload": "web"}, {**API, "namespace": ""}])
    assert [each["metadata"]["name"] for each in found] == ["cart-seen", "web-seen"]


def test_what_has_no_place_is_counted() -> None:
    text = policies(seen_of([{**PEER, "role": "unknown"}], [API, {**API, "namespace": ""}]), "kubernetes")
    assert "# Not in here: 1 records of processes that belong to no namespace.\n" in text
    assert "# Not in here: 1 connections of which it is not known who began them.\n" in text


_TEXT = st.text(max_size=12) | st.sampled_from(["shop", "*.x.org", "a\n  to: []", "'", "10.0.0.1", "\u2028", "%"])
_VALUE = _TEXT | st.none() | st.integers() | st.booleans()
_RECORD = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys([*API, *PEER], _VALUE),
        "role": st.just("client"),
        "transport": st.sampled_from(["tcp", "udp"]),
        "port": st.integers(0, 70_000),
        "addresses": st.lists(_TEXT, max_size=3),
        "namespace": st.sampled_from(["shop", "a\nb"]),
        "workload": st.sampled_from(["cart", "web", "null", "1", "x: y"]),
        "connections": st.integers(0, 3),
    },
)


@given(st.lists(_RECORD, max_size=4), st.lists(_RECORD, max_size=4), st.sampled_from(FORMATS))
def test_whatever_was_seen_the_output_is_a_list_of_policies(
    flows: list[dict[str, Any]], external: list[dict[str, Any]], chosen: Format
) -> None:
    for policy in written(flows, external, chosen, notes=["\n- x"]):
        assert set(policy) == {"apiVersion", "kind", "metadata", "spec"}
        assert isinstance(policy["metadata"]["name"], str)
        for rule in policy["spec"]["egress"]:
            assert set(rule) in (
                {"to", "ports"},
                {"toFQDNs", "toPorts"},
                {"toCIDR", "toPorts"},
                {"toEndpoints", "toPorts"},
                {"toEntities", "toPorts"},
            )


def test_records_of_the_agents_own_rows() -> None:
    """As `kindling policy` gets them: pods of one workload, a node, a service, a name outside."""
    flows = [
        flow(
            workload=WEB,
            remote_ip="10.1.0.9",
            port=5432,
            opened=2,
            peer=Peer("pod", "pay", "statefulset", "db", "db-0"),
        ),
        flow(
            workload=WEB,
            remote_ip="10.1.0.8",
            port=5432,
            opened=3,
            peer=Peer("pod", "pay", "statefulset", "db", "db-1"),
        ),
        flow(workload=WEB, remote_ip="192.0.2.1", port=10250, opened=1, peer=Peer("node", "", "node", "n1", node="n1")),
        flow(
            workload=WEB,
            remote_ip="10.96.0.7",
            port=80,
            opened=1,
            peer=Peer("service", "pay", "service", "api", "", "api"),
        ),
        flow(
            workload=WEB,
            remote_ip="10.96.0.8",
            port=80,
            peer=Peer(
                "service", "pay", "deployment", "ledger", "l-1", "ledger", backend_ip="10.1.0.3", backend_port=8080
            ),
            opened=1,
        ),
        flow(workload=WEB, role="server", local_ip="10.1.0.5", port=80, opened=9, peer=UNKNOWN_POD),
        flow(workload=WEB, remote_ip="10.1.7.7", port=81, opened=1, peer=UNKNOWN_POD),
        flow(workload=WEB, opened=4),
    ]
    taken = snapshot(flows=flows)
    rows, external = (select(table, taken, Horizon())[0] for table in (FLOWS, EXTERNAL))
    (policy,) = written(rows, external, "cilium")
    assert policy["metadata"] == {"name": "web-seen", "namespace": "shop"}
    ports = {rule["toPorts"][0]["ports"][0]["port"]: rule for rule in policy["spec"]["egress"] if "toPorts" in rule}
    assert set(ports) >= {"5432", "10250", "443", "8080"}
    (labels,) = [each["matchLabels"] for each in ports["5432"]["toEndpoints"]]
    assert set(labels.values()) == {"pay", "db"}
    assert ports["443"]["toFQDNs"] == [{"matchName": "example.org"}]
    text = policies(seen_of(rows, external), "kubernetes")
    assert "5 connections" in text, "of both pods of the workload"
    assert "Service api of pay" in text
