"""Whatever rows there are, and however little room: no series appears twice, and both formats can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from factories import CURL, NGINX, SHOP, flow, op, snapshot
from kindling.export.prometheus import Exporter
from kindling.model import UNKNOWN_POD, FlowRow, OpRow, Peer, Workload
from kindling.model.workload import OTHER, UNKNOWN

NAMED_OTHER = Workload(kind="process", name="other")
PODS = [Workload("deployment", "web", "shop", container=c, pod=p) for p in ("web-1", "web-2") for c in ("", "nginx")]
WORKLOADS = st.sampled_from([CURL, NGINX, SHOP, UNKNOWN, OTHER, NAMED_OTHER, *PODS])
NAMES = st.sampled_from(["", "other", "a.example.org", 'q"uote', "back\\slash"])
ADDRESSES = st.sampled_from(["", "192.0.2.1", "192.0.2.2", "2001:db8::1"])
ROLES = st.sampled_from(["client", "server", "unknown"])

#: Peers that agree with a workload of this host, and such that do not.
PEERS = st.sampled_from(
    [
        None,
        UNKNOWN_POD,
        Peer("pod", "shop", "deployment", "web", pod="web-1", node="node-1"),
        Peer("pod", "shop", "deployment", "web", pod="web-2", service="web", node="node-1", node_ip="192.0.2.1"),
        Peer("pod", "shop", "deployment", "web", pod="web-3", node="node-2", node_ip="192.0.2.2"),
        Peer("service", "shop", "service", "web", service="web"),
        Peer("service", "shop", "deployment", "web", "web-2", "web", backend_ip="192.0.2.2", backend_port=53),
        Peer("service", "shop", "deployment", "web", "web-2", "web", backend_ip="192.0.2.1", backend_port=443),
        Peer("pod", "shop", "deployment", "web", "web-2", "web"),
        Peer("node", workload_kind="node", workload_name="node-1", node="node-1"),
        Peer("node", workload_kind="node", workload_name="node-2", service="web", node="node-2"),
    ]
)
SERVICES = st.sampled_from(["", "web"])

FLOWS = st.builds(
    flow,
    workload=WORKLOADS,
    role=ROLES,
    transport=st.sampled_from(["tcp", "udp"]),
    protocol=st.sampled_from(["tls", "http", "dns", "unknown"]),
    local_ip=ADDRESSES,
    remote_ip=ADDRESSES,
    port=st.sampled_from([0, 53, 443]),
    name=NAMES,
    evidence=st.sampled_from(["sni", "dns", "address"]),
    scope=st.sampled_from(["public", "private", "own"]),
    opened=st.integers(0, 3),
    srtt_us=st.integers(0, 1),
    peer=PEERS,
    service=SERVICES,
)
OPS = st.builds(
    op,
    workload=WORKLOADS,
    role=ROLES,
    protocol=st.sampled_from(["http", "dns", "ntp", "unknown"]),
    local_ip=ADDRESSES,
    remote_ip=ADDRESSES,
    port=st.sampled_from([0, 53]),
    name=NAMES,
    operation=st.sampled_from(["GET /a", "A other", "AAAA a.example.org", "other", "?"]),
    content=st.sampled_from(["", "/a", "other", "a.example.org"]),
    status=st.sampled_from(["", "0", "3", "200"]),
    error=st.booleans(),
    transport=st.sampled_from(["tcp", "udp"]),
    peer=PEERS,
    service=SERVICES,
)


@settings(max_examples=150)
@given(st.lists(FLOWS, max_size=25), st.lists(OPS, max_size=25), st.integers(0, 400))
@example([flow(role="server", port=0), flow(role="client", port=0)], [], 400)
def test_no_series_twice(flows: list[FlowRow], ops: list[OpRow], room: int) -> None:
    exporter = Exporter(node="node-1")
    exporter.budget.resize(room)
    text = rendered(exporter, flows, ops)
    families: Iterator[Metric] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    counted = [family for family in families if family.name == "kindling_external_connections"]
    outside = sum(row.opened for row in flows if row.labels.outside)
    assert sum(sample.value for family in counted for sample in family.samples) == outside


@settings(max_examples=100, deadline=None)
@given(st.lists(FLOWS, max_size=15), st.lists(OPS, max_size=15), st.lists(FLOWS, max_size=10), SERVICES, PEERS)
def test_no_series_twice_when_more_is_known(
    flows: list[FlowRow], ops: list[OpRow], more: list[FlowRow], service: str, peer: Peer | None
) -> None:
    """Of endpoints, services and peers that others have now."""
    exporter = Exporter(node="node-1")
    rendered(exporter, flows, ops)
    for row in flows[::2]:
        row.labels = replace(row.labels, service=service, peer=peer)
    for each in ops[::2]:
        each.labels = replace(each.labels, service=service, peer=peer)
    rendered(exporter, flows[1:] + more, ops)
    rendered(exporter, more, ops[1:], node_ip="192.0.2.1")


def rendered(exporter: Exporter, flows: list[FlowRow], ops: list[OpRow], node_ip: str = "") -> str:
    """As text, in which no series is twice."""
    taken = snapshot(flows=flows, ops=ops, node_ip=node_ip)
    text = b"".join(exporter.render(taken, openmetrics=True)).decode()
    series = [line.split(" # {")[0].rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]
    assert len(series) == len(set(series))
    return text
