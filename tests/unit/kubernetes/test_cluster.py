"""Questions to a cluster: the answers are written as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.objects import EndpointSlice, Node, Pod, Service
from kindling.kubernetes.reflect import Change
from kindling.model import Workload
from kindling.model.labels import FlowLabels, Transport
from kindling.model.peer import UNKNOWN_POD, Peer

NOW = 1_700_000_000.0
START = "2023-11-14T22:00:00Z"


def put(cluster: Cluster, kind: type[Any], found: dict[str, Any], now: float = NOW) -> None:
    cluster.apply(kind, Change("put", msgspec.convert(found, kind)), now)


def pod(name: str, ip: str, uid: str = "", ports: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """`ports`: of its containers, one each."""
    status = {"phase": "Running", "startTime": START, "podIPs": [{"ip": each} for each in ip.split()]}
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": uid or name, **more.pop("metadata", {})},
        "spec": {
            "nodeName": more.pop("node", "n1"),
            "hostNetwork": more.pop("host", False),
            "containers": [{"name": "c", "ports": [port]} for port in ports],
        },
        "status": {**status, **more},
    }


def cluster() -> Cluster:
    made = Cluster(node="n1")
    owner = {
        "labels": {"pod-template-hash": "77"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-77", "controller": True}],
    }
    container = {"name": "nginx", "containerID": "containerd://" + "a" * 64}
    put(made, Pod, pod("web-77-1", "10.1.0.5 fd00::5", metadata=owner, containerStatuses=[container]))
    put(made, Pod, pod("agent", "192.168.0.1", host=True))
    service = {
        "clusterIPs": ["10.96.0.10", "fd01::10"],
        "externalIPs": ["198.51.100.7"],
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
    }
    balanced = {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}}
    put(
        made,
        Service,
        {"metadata": {"name": "web", "namespace": "shop", "uid": "s1"}, "spec": service, "status": balanced},
    )
    put(made, Service, {"metadata": {"name": "api", "namespace": "shop", "uid": "s2"}, "spec": {"clusterIP": "None"}})
    put(
        made,
        Service,
        {
            "metadata": {"name": "pay", "namespace": "shop", "uid": "s3"},
            "spec": {"type": "ExternalName", "externalName": "Pay.example.com."},
        },
    )
    put(made, EndpointSlice, slice_("web", "10.1.0.5", 8080, "e1"))
    put(made, EndpointSlice, slice_("kubernetes", "192.168.0.1", 6443, "e2", namespace="default"))
    put(
        made,
        Node,
        {
            "metadata": {"name": "n1", "uid": "n1"},
            "spec": {"podCIDRs": ["10.1.0.0/24", "odd"]},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": "192.168.0.1"},
                    {"type": "ExternalIP", "address": "203.0.113.1"},
                    {"type": "Hostname", "address": "n1"},
                ]
            },
        },
    )
    return made


def slice_(
    service: str, address: str, port: int, uid: str, namespace: str = "shop", pods: Sequence[str] = ()
) -> dict[str, Any]:
    """`pods`: uids of those that answer there; none: it is not said."""
    targets: list[dict[str, Any]] = [{"targetRef": {"kind": "Pod", "name": "any", "uid": each}} for each in pods]
    return {
        "metadata": {"uid": uid, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"addresses": [address], **each} for each in targets or [{}]],
        "ports": [{"port": port, "protocol": "TCP"}],
    }


def test_the_service_that_was_called_of_two_that_list_a_pod() -> None:
    """A balancer in the socket shows the pod alone; it tells at which address it was called."""
    made = cluster()
    doubtful = [made.services.doubtful]
    metadata = {"name": "also-web", "namespace": "shop", "uid": "s9"}
    put(made, Service, {"metadata": metadata, "spec": {"clusterIP": "10.96.0.19", "ports": [{"port": 80}]}})
    put(made, EndpointSlice, slice_("also-web", "10.1.0.5", 8080, "e9"))
    assert [*doubtful, made.services.doubtful] == [False, True]
    asked: list[str] = []

    def calls() -> dict[tuple[str, int], set[tuple[str, int]]]:
        asked.append("calls")
        return {("10.1.0.5", 8080): {("10.96.0.10", 80)}, ("10.1.0.99", 80): {("192.0.2.1", 80)}}

    def service() -> str:
        found = made.peer("10.1.0.5", 8080, "tcp", NOW)
        return found.service if found else ""

    assert service() == "also-web"
    made.read_calls = calls
    made.take_changed()
    made.refresh(NOW)
    assert service() == "web"
    assert "10.1.0.5" in made.take_changed()
    made.refresh(NOW + 59)
    assert asked == ["calls"]
    made.apply(EndpointSlice, Change("delete", msgspec.convert(slice_("also-web", "", 0, "e9"), EndpointSlice)), NOW)
    made.refresh(NOW + 60)
    assert asked == ["calls"], "nobody doubts any more"


WEB_POD = Peer("pod", "shop", "deployment", "web", pod="web-77-1", service="web", node="n1")
WEB = Peer("service", "shop", "service", "web", service="web")
NODE = Peer("node", workload_kind="node", workload_name="n1", node="n1")

PEERS = {
    ("10.1.0.5", 8080): WEB_POD,
    ("fd00::5", 8080): Peer("pod", "shop", "deployment", "web", pod="web-77-1", node="n1"),
    ("10.96.0.10", 80): WEB,
    ("fd01::10", 80): WEB,
    ("198.51.100.7", 80): WEB,
    ("198.51.100.9", 80): WEB,
    ("192.168.0.1", 30080): WEB,
    ("203.0.113.1", 30080): WEB,
    ("192.168.0.1", 10250): NODE,
    ("203.0.113.1", 22): NODE,
    ("10.1.0.1", 53): NODE,
    ("192.168.0.1", 6443): Peer("node", workload_kind="node", workload_name="n1", service="kubernetes", node="n1"),
    ("198.51.100.1", 443): None,
}


def test_peers() -> None:
    made = cluster()
    assert {at: made.peer(*at, "tcp", NOW) for at in PEERS} == PEERS


def test_an_address_of_a_pod_that_is_not_told_yet() -> None:
    """Where the API server is away for long, too: it is not outside."""
    made = cluster()
    assert made.peer("10.1.0.77", 80, "tcp", NOW) == UNKNOWN_POD
    assert made.peer("10.1.1.77", 80, "tcp", NOW) is None


def test_an_api_server_that_is_no_node() -> None:
    made = cluster()
    put(made, EndpointSlice, slice_("kubernetes", "203.0.113.99", 443, "e2", namespace="default"))
    found = made.peer("203.0.113.99", 443, "tcp", NOW)
    assert found == Peer("service", "default", "service", "kubernetes", service="kubernetes")


def test_containers() -> None:
    made = cluster()
    found = made.container("a" * 64)
    assert found
    assert (found.name, found.pod.name, found.pod.controller) == ("nginx", "web-77-1", ("deployment", "web"))
    by_uid = made.container("b" * 64, "agent")
    assert by_uid
    assert (by_uid.name, by_uid.pod.host_network) == ("", True)
    assert made.container("b" * 64, "nobody") is None


def test_a_pod_that_is_gone_keeps_its_name_for_its_last_data() -> None:
    made = cluster()
    made.apply(Pod, Change("delete", msgspec.convert(pod("web-77-1", "10.1.0.5"), Pod)), NOW + 10)
    assert made.container("a" * 64)
    assert made.peer("10.1.0.5", 8080, "tcp", NOW + 5) == WEB_POD
    assert made.peer("10.1.0.5", 8080, "tcp", NOW + 60) == UNKNOWN_POD


def test_an_address_that_another_pod_gets_at_once() -> None:
    made = cluster()
    late = "2023-11-14T22:13:25Z"  # NOW + 5
    put(made, Pod, pod("other", "10.1.0.5", startTime=late), NOW + 7)
    found = made.peer("10.1.0.5", 9000, "tcp", NOW + 6)
    assert found
    assert found.pod == "other"
    before = made.peer("10.1.0.5", 8080, "tcp", NOW - 60)
    assert before
    assert before.pod == "web-77-1"
    made.apply(Pod, Change("delete", msgspec.convert(pod("web-77-1", "10.1.0.5"), Pod)), NOW + 10)
    still = made.peer("10.1.0.5", 9000, "tcp", NOW + 30)
    assert still
    assert still.pod == "other"


def test_a_finished_job_gives_its_address_back() -> None:
    made = cluster()
    put(made, Pod, pod("web-77-1", "10.1.0.5", phase="Succeeded"), NOW + 10)
    assert made.peer("10.1.0.5", 9000, "tcp", NOW + 60) == UNKNOWN_POD


def test_what_a_new_list_does_not_hold_is_gone() -> None:
    made = cluster()
    for kind in (Pod, Service, EndpointSlice, Node):
        made.apply(kind, Change("synced"), NOW + 1)
    assert {made.peer(*at, "tcp", NOW + 60) for at in PEERS} == {None, UNKNOWN_POD}


def test_a_node_that_was_made_anew_while_nobody_watched() -> None:
    """The list has the new one; that the old one is gone is found out at its end."""
    made = cluster()
    addresses = [{"type": "InternalIP", "address": NODE4}]
    put(made, Node, {"metadata": {"name": "n1", "uid": "another"}, "status": {"addresses": addresses}})
    made.apply(Node, Change("synced", uids=frozenset({"another"})), NOW + 1)
    found = made.peer(NODE4, 22, "tcp", NOW + 1)
    assert found
    assert (found.node, found.node_ip, made.node_ip) == ("n1", NODE4, NODE4)
    assert made.nodes.addresses_of("n1") == {NODE4}


@pytest.mark.parametrize("first", ["n1", "n2"])
def test_nodes_that_name_one_address_of_a_gateway(first: str) -> None:
    """Once one of them is gone the address is still no external one. Whose pod answers there nobody knows."""
    made = cluster()
    for name in ("n1", "n2") if first == "n1" else ("n2", "n1"):
        addresses = [{"type": "ExternalIP", "address": "203.0.113.1"}]
        put(made, Node, {"metadata": {"name": name, "uid": name}, "status": {"addresses": addresses}})
    put_host_pod(made, "exporter-1", host_port(9100))
    found = made.peer("203.0.113.1", 9100, "tcp", NOW)
    assert found
    assert (found.node, found.pod) == ("n1", "")
    made.nodes.delete("n2")
    assert pod_at(made, 9100, "203.0.113.1") == "exporter-1"
    made.nodes.delete("n1")
    assert made.peer("203.0.113.1", 9100, "tcp", NOW) is None


def put_balanced(made: Cluster, name: str, address: str, port: int, transport: str = "TCP", node_port: int = 0) -> None:
    spec = {"type": "LoadBalancer", "ports": [{"port": port, "protocol": transport, "nodePort": node_port}]}
    status = {"loadBalancer": {"ingress": [{"ip": address}]}}
    metadata = {"name": name, "namespace": "shop", "uid": name}
    put(made, Service, {"metadata": metadata, "spec": spec, "status": status})


def service_at(made: Cluster, address: str, port: int, transport: str = "tcp") -> str:
    found = made.peer(address, port, transport, NOW)
    return found.service if found else "nobody"


def test_services_that_share_an_address_of_a_load_balancer() -> None:
    """Told in whatever order; where two claim one port, the first by name on every node."""
    services = [("dns-tcp", 53, "TCP"), ("dns-udp", 53, "UDP"), ("mail", 25, "TCP"), ("rival", 25, "TCP")]
    for order in (services, services[::-1]):
        made = cluster()
        for name, port, transport in order:
            put_balanced(made, name, "198.51.100.20", port, transport)
        found = {
            (port, transport): service_at(made, "198.51.100.20", port, transport.lower())
            for _, port, transport in order
        }
        assert found == {(53, "TCP"): "dns-tcp", (53, "UDP"): "dns-udp", (25, "TCP"): "mail"}
        made.services.delete("mail")
        assert service_at(made, "198.51.100.20", 25) == "rival"
        for name, _, _ in services:
            made.services.delete(name)
        assert service_at(made, "198.51.100.20", 25) == "nobody"


def test_a_service_at_an_address_of_a_node() -> None:
    """K3s' load balancer, external IPs: other ports of that address stay the node's."""
    made = cluster()
    put_balanced(made, "shop-front", "192.168.0.1", 443, node_port=30443)
    found = {port: service_at(made, "192.168.0.1", port) for port in (443, 30443, 30080, 22)}
    assert found == {443: "shop-front", 30443: "shop-front", 30080: "web", 22: ""}
    assert made.peer("192.168.0.1", 22, "tcp", NOW) == NODE
    made.refresh(NOW)
    assert made.backends.of("10.1.0.9", "192.168.0.1", 30080, "tcp") == ("shop/web-77-1",)


def test_a_port_that_a_service_lacks_is_called_at_the_service_all_the_same() -> None:
    assert cluster().peer("10.96.0.10", 81, "tcp", NOW) == WEB


def test_nobody_answers_at_a_port_of_the_nodes_that_is_called_at_a_service() -> None:
    """Ports of nodes are none of a ClusterIP, neither another service's nor its own."""
    made = cluster()
    ports = [{"port": 80, "nodePort": 30090}]
    metadata = {"name": "other", "namespace": "shop", "uid": "s5"}
    put(made, Service, {"metadata": metadata, "spec": {"clusterIP": "10.96.0.30", "ports": ports}})
    put(made, EndpointSlice, slice_("other", "10.1.0.6", 8080, "e5"))
    made.refresh(NOW)
    assert made.peer("10.96.0.30", 30080, "tcp", NOW) == Peer("service", "shop", "service", "other", service="other")
    calls = [(at, port) for at in ("10.96.0.30", "192.168.0.1") for port in (80, 30080, 30090)]
    called = {(at, port): made.backends.of("10.1.0.9", at, port, "tcp") for at, port in calls}
    assert called == {
        ("10.96.0.30", 80): ("10.1.0.6:8080",),
        ("10.96.0.30", 30080): (),
        ("10.96.0.30", 30090): (),
        ("192.168.0.1", 80): (),
        ("192.168.0.1", 30080): ("shop/web-77-1",),
        ("192.168.0.1", 30090): ("10.1.0.6:8080",),
    }


# --- pods on a node's network: its address, told apart by port ---

NODE4 = "192.168.0.1"
DAEMON = {"ownerReferences": [{"kind": "DaemonSet", "name": "exporter", "controller": True}]}
EXPORTER = replace(
    NODE, namespace="shop", workload_kind="daemonset", workload_name="exporter", pod="exporter-1", host_network=True
)


def host_port(port: int, **more: Any) -> dict[str, Any]:
    """As the API server has it: of a pod on the node's network both are the same."""
    return {"containerPort": port, "hostPort": port, "protocol": "TCP", **more}


def put_host_pod(made: Cluster, name: str, *ports: dict[str, Any], now: float = NOW, **more: Any) -> None:
    put(made, Pod, pod(name, NODE4, host=True, ports=ports, metadata=DAEMON, **more), now)


def pod_at(made: Cluster, port: int, address: str = NODE4, transport: str = "tcp", when: float = NOW) -> str | None:
    found = made.peer(address, port, transport, when)
    return found.pod if found and found.kind == "node" else None


def test_a_pod_on_the_nodes_network_by_its_port() -> None:
    made = cluster()
    put_host_pod(made, "exporter-1", host_port(9100), host_port(53, protocol="UDP"))
    assert made.peer(NODE4, 9100, "tcp", NOW) == EXPORTER
    assert {address: pod_at(made, 9100, address) for address in ("203.0.113.1", "10.1.0.1")} == {
        "203.0.113.1": "exporter-1",
        "10.1.0.1": "exporter-1",
    }
    assert (pod_at(made, 9101), pod_at(made, 53), pod_at(made, 53, transport="udp")) == ("", "", "exporter-1")
    assert pod_at(made, 0) == "", "nothing is known of a client's port"
    assert pod_at(made, 30080) is None, "a port of all nodes is a service's"


def test_a_port_of_the_node_that_leads_to_a_pod() -> None:
    made = cluster()
    put(made, Pod, pod("mapped", "10.1.0.8", ports=[{"containerPort": 80, "hostPort": 8000}, {"containerPort": 81}]))
    assert {port: pod_at(made, port) for port in (80, 81, 8000)} == {80: "", 81: "", 8000: "mapped"}


def test_a_port_of_one_address_of_the_node() -> None:
    made = cluster()
    put_host_pod(made, "exporter-1", host_port(9100, hostIP="203.0.113.1"))
    put_host_pod(made, "local", host_port(9100, hostIP="127.0.0.1"))
    put_host_pod(made, "all", host_port(9200, hostIP="0.0.0.0"))
    assert (pod_at(made, 9100), pod_at(made, 9100, "203.0.113.1"), pod_at(made, 9200)) == ("", "exporter-1", "all")


def test_a_pod_on_the_nodes_network_by_the_slice_that_lists_it() -> None:
    """It needs not say which ports it has. In whatever order it is told."""
    for order in ((Pod, EndpointSlice), (EndpointSlice, Pod)):
        made = cluster()
        made.take_changed()
        for kind in order:
            if kind is Pod:
                put_host_pod(made, "exporter-1")
            else:
                put(made, EndpointSlice, slice_("metrics", NODE4, 9100, "e7", pods=["exporter-1"]))
            assert NODE4 in made.take_changed()
        assert made.peer(NODE4, 9100, "tcp", NOW) == replace(EXPORTER, service="metrics")
        assert pod_at(made, 9100, transport="udp") == ""


def test_of_two_pods_that_may_have_a_port_none_is_named() -> None:
    made = cluster()
    put_host_pod(made, "exporter-1", host_port(9100))
    put_host_pod(made, "exporter-2", host_port(9100))
    assert pod_at(made, 9100) == ""
    made.apply(Pod, Change("delete", msgspec.convert(pod("exporter-2", NODE4), Pod)), NOW + 1)
    assert (pod_at(made, 9100, when=NOW), pod_at(made, 9100, when=NOW + 2)) == ("", "exporter-1")
    put_host_pod(made, "exporter-3")
    put(made, EndpointSlice, slice_("metrics", NODE4, 9100, "e7", pods=["exporter-3"]))
    assert pod_at(made, 9100, when=NOW + 2) == "", "what it lists is another one"
    put(made, EndpointSlice, slice_("metrics", NODE4, 9100, "e7", pods=["exporter-1", "web-77-1", "nobody"]))
    assert pod_at(made, 9100, when=NOW + 2) == "exporter-1", "others that it lists are not on that network"
    assert made.services.pods_at(NODE4, 9100, "tcp") == {"exporter-1", "nobody"}, "who is not needed is not kept"


@pytest.mark.parametrize("gone", ["deleted", "ended", "not listed any more"])
def test_a_port_that_another_pod_gets(gone: str) -> None:
    made = cluster()
    put_host_pod(made, "exporter-1", host_port(9100))
    made.take_changed()
    if gone == "deleted":
        made.apply(Pod, Change("delete", msgspec.convert(pod("exporter-1", NODE4), Pod)), NOW + 10)
    elif gone == "ended":
        put_host_pod(made, "exporter-1", host_port(9100), phase="Failed", now=NOW + 10)
    else:
        made.apply(Pod, Change("synced"), NOW + 10)
    assert NODE4 in made.take_changed()
    assert (pod_at(made, 9100, when=NOW + 9), pod_at(made, 9100, when=NOW + 11)) == ("exporter-1", "")
    late = "2023-11-14T22:13:35Z"  # NOW + 15
    put_host_pod(made, "exporter-2", host_port(9100), startTime=late, now=NOW + 16)
    assert NODE4 in made.take_changed()
    at = {when: pod_at(made, 9100, when=NOW + when) for when in (9, 11, 16)}
    assert at == {9: "exporter-1", 11: "", 16: "exporter-2"}
    made.pods.expire(NOW + 11)
    assert pod_at(made, 9100, when=NOW + 9) == ""


def put_metrics(made: Cluster, *addresses: str) -> None:
    metadata = {"name": "metrics", "namespace": "shop", "uid": "s7"}
    put(made, Service, {"metadata": metadata, "spec": {"clusterIP": "10.96.0.70", "ports": [{"port": 80}]}})
    for address in addresses:
        put(made, EndpointSlice, slice_("metrics", address, 9100, f"e{address}"))
    made.refresh(NOW)


METRICS = Peer("service", "shop", "daemonset", "exporter", service="metrics", backend_port=9100, host_network=True)


def test_a_service_whose_pod_is_on_the_nodes_network() -> None:
    made = cluster()
    put_host_pod(made, "exporter-1", host_port(9100))
    put_metrics(made, NODE4)
    found = made.peer("10.96.0.70", 80, "tcp", NOW, "10.1.0.5")
    assert found == replace(METRICS, pod="exporter-1", node="n1", backend_ip=NODE4)
    assert made.backends.of("10.1.0.5", "10.96.0.70", 80, "tcp") == ("shop/exporter-1",)


def test_a_service_whose_pods_are_on_the_networks_of_nodes() -> None:
    made = cluster()
    addresses = [{"type": "InternalIP", "address": "192.168.0.2"}]
    put(made, Node, {"metadata": {"name": "n2", "uid": "n2"}, "status": {"addresses": addresses}})
    put_host_pod(made, "exporter-1", host_port(9100))
    put(made, Pod, pod("exporter-2", "192.168.0.2", host=True, node="n2", ports=[host_port(9100)], metadata=DAEMON))
    put_metrics(made, NODE4, "192.168.0.2")
    assert made.peer("10.96.0.70", 80, "tcp", NOW, "10.1.0.5") == METRICS


def test_a_service_that_lists_pods_of_another_namespace() -> None:
    """As default/kubernetes may do it: the namespace in labels is the service's, so it names no pod."""
    made = cluster()
    metadata = {**DAEMON, "namespace": "kube-system"}
    put(made, Pod, pod("exporter-1", NODE4, host=True, ports=[host_port(9100)], metadata=metadata))
    put_metrics(made, NODE4)
    called: tuple[str, int, Transport] = ("10.96.0.70", 80, "tcp")
    for _ in range(2):
        found = made.peer(*called, NOW, "10.1.0.5")
        assert found == Peer("service", "shop", "service", "metrics", service="metrics")
        made.take_changed()
        made.saw(called_by("10.1.0.5", found, *called), 1, 0)
        made.refresh(NOW)
        assert made.take_changed() == set()
    assert made.backends.of("10.1.0.5", *called) == ("kube-system/exporter-1",)


def called_by(client: str, peer: Peer, address: str, port: int, transport: Transport) -> FlowLabels:
    workload = Workload("deployment", "web", "shop")
    return FlowLabels(
        workload, "client", transport, "http", client, address, port, "", "address", inferred=False, peer=peer
    )


def test_an_address_that_only_the_node_itself_knows_of() -> None:
    made = cluster()
    put_host_pod(made, "exporter-1", host_port(9100))
    vip = "169.254.20.10"
    found = {port: made.own(vip, port, "tcp", NOW) for port in (9100, 9101, 30080)}
    assert found == {9100: EXPORTER, 9101: NODE, 30080: WEB}
    made.take_changed()
    put_host_pod(made, "elsewhere", host_port(9100), node="n2")
    assert vip not in made.take_changed()
    made.apply(Pod, Change("delete", msgspec.convert(pod("exporter-1", NODE4), Pod)), NOW + 10)
    assert vip in made.take_changed(), "it is another pod's, or nobody's"
    assert made.own(vip, 9100, "tcp", NOW + 11) == NODE
    made.services.delete("s1")
    assert vip in made.take_changed()
    for number in range(300):
        made.own(f"192.0.2.{number}", 9101, "tcp", NOW)
    put_host_pod(made, "exporter-2", host_port(9100))
    assert len(made.take_changed()) < 300
    assert made.own("198.51.100.99", 9100, "tcp", NOW) == NODE, "more than can be kept up with"


_changes = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "synced"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["10.0.0.1", "10.0.0.2", ""]),
        st.sampled_from(["Running", "Succeeded", ""]),
        st.booleans(),
    ),
    max_size=40,
)


@given(_changes)
def test_repeated_late_and_missing_events(changes: list[tuple[str, str, str, str, bool]]) -> None:
    made = Cluster()
    put(made, Node, {"metadata": {"name": "n1"}, "status": {"addresses": [{"type": "InternalIP", "address": NODE4}]}})
    for at, (action, name, ip, phase, host) in enumerate(changes):
        ip = NODE4 if host and ip else ip  # noqa: PLW2901
        found = msgspec.convert(pod(name, ip, phase=phase, host=host, ports=[host_port(9100)]), Pod)
        put_ = Change("synced", uids=frozenset({name})) if action == "synced" else Change(action, found)  # type: ignore[arg-type]
        made.apply(Pod, put_, NOW + at)
        for address in ("10.0.0.1", "10.0.0.2"):
            peer = made.peer(address, 80, "tcp", NOW + at)
            assert peer in (None, UNKNOWN_POD) or peer.pod in {"a", "b", "c"}
        assert pod_at(made, 9100, when=NOW + at) in {"", "a", "b", "c"}
        made.pods.expire(NOW + at)
