from __future__ import annotations

from dataclasses import replace

import pytest

import factories as make
from kindling.model import Peer, Workload
from kindling.otlp.attributes import event_attributes, flow_attributes, is_failure, operation_attributes
from kindling.otlp.resources import resource_attributes


def test_a_client_of_a_web_server() -> None:
    found = operation_attributes(make.op((1,), status="404", error=True).labels)
    assert found["http.request.method"] == "GET"
    assert found["url.template"] == "/users/*"
    assert found["http.response.status_code"] == 404
    assert found["error.type"] == "404"
    assert found["server.address"] == "example.org"


def test_a_request_that_was_never_answered() -> None:
    found = operation_attributes(make.op((1,), status="", error=True).labels)
    assert found["error.type"] == "no_response"
    assert "http.response.status_code" not in found


def test_a_method_nobody_knows() -> None:
    found = operation_attributes(make.op((1,), operation="BREW /pot", content="/pot").labels)
    assert (found["http.request.method"], found["kindling.operation"]) == ("_OTHER", "BREW /pot")


def test_a_dns_query() -> None:
    row = make.op((1,), protocol="dns", operation="AAAA example.org", content="example.org", status="3", error=True)
    found = operation_attributes(row.labels)
    assert (found["dns.question.name"], found["kindling.dns.question.type"]) == ("example.org", "AAAA")
    assert found["error.type"] == found["kindling.response.status"] == "NXDOMAIN"


def test_ends_of_connections() -> None:
    client = flow_attributes(make.flow(name="").labels)
    assert (client["server.address"], client["kindling.name.evidence"]) == ("93.184.216.34", "sni")
    server = flow_attributes(make.flow(role="server", local_ip="10.0.0.1", remote_ip="10.0.0.2").labels)
    assert (server["server.address"], server["client.address"]) == ("10.0.0.1", "10.0.0.2")
    assert "kindling.name.evidence" not in server


@pytest.mark.parametrize(
    ("role", "status", "failed"),
    [("server", "404", False), ("server", "503", True), ("client", "404", True), ("server", "", True)],
)
def test_whose_mistake_it_is(role: str, status: str, failed: bool) -> None:
    assert is_failure("http", role, status, error=True) is failed


def test_spans_have_no_query() -> None:
    assert event_attributes(make.request_event())["url.path"] == "/users/17"


def test_workloads_of_two_nodes_are_two_instances() -> None:
    one, other = (resource_attributes(make.SHOP, node) for node in ("node-1", "node-2"))
    assert one["service.name"] == other["service.name"] == "shop"
    assert one["service.instance.id"] != other["service.instance.id"]
    assert one == resource_attributes(make.SHOP, "node-1")


def test_a_pod_is_a_resource() -> None:
    pod = Workload("deployment", "web", "shop", container="nginx", pod="web-1", pod_uid="u1")
    found = resource_attributes(pod, "n1")
    assert {key: value for key, value in found.items() if key.startswith("k8s.")} == {
        "k8s.namespace.name": "shop",
        "k8s.pod.name": "web-1",
        "k8s.pod.uid": "u1",
        "k8s.container.name": "nginx",
        "k8s.node.name": "n1",
        "k8s.deployment.name": "web",
    }
    other = resource_attributes(replace(pod, pod="web-2"), "n1")
    assert other["service.instance.id"] != found["service.instance.id"]


def test_a_controller_that_the_conventions_do_not_know() -> None:
    found = resource_attributes(Workload("cluster", "pg", "db", pod="pg-1"), "n1")
    assert found["service.name"] == "pg"
    assert "k8s.cluster.name" not in found, "it means the name of the whole cluster"


def test_who_of_the_cluster_is_at_the_other_end() -> None:
    db = Peer("pod", "pay", "statefulset", "db", "db-0", "db", "n2")
    rows = flow_attributes(make.flow(peer=db).labels), operation_attributes(make.op((1,), peer=db).labels)
    for found in (*rows, event_attributes(make.request_event(peer=db))):
        assert found["kindling.peer.workload.name"] == "db"
        assert (found["kindling.peer.kind"], found["kindling.peer.service"]) == ("pod", "db")
    assert not [key for key in flow_attributes(make.flow().labels) if key.startswith("kindling.peer")]
