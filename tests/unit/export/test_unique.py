"""Whatever rows there are, and however little room: no series appears twice, and both formats can be read."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from factories import CURL, NGINX, SHOP, flow, op, snapshot
from kindling.export.prometheus import Exporter
from kindling.model import FlowRow, OpRow, Workload
from kindling.model.workload import OTHER, UNKNOWN

NAMED_OTHER = Workload(kind="process", name="other")
WORKLOADS = st.sampled_from([CURL, NGINX, SHOP, UNKNOWN, OTHER, NAMED_OTHER])
NAMES = st.sampled_from(["", "other", "a.example.org", 'q"uote', "back\\slash"])
ADDRESSES = st.sampled_from(["", "192.0.2.1", "192.0.2.2", "2001:db8::1"])
ROLES = st.sampled_from(["client", "server", "unknown"])

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
)


@settings(max_examples=150)
@given(st.lists(FLOWS, max_size=25), st.lists(OPS, max_size=25), st.integers(0, 400))
@example([flow(role="server", port=0), flow(role="client", port=0)], [], 400)
def test_no_series_twice(flows: list[FlowRow], ops: list[OpRow], room: int) -> None:
    exporter = Exporter(node="node-1")
    exporter.budget.resize(room)
    text = b"".join(exporter.render(snapshot(flows=flows, ops=ops), openmetrics=True)).decode()
    series = [line.split(" # {")[0].rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]
    assert len(series) == len(set(series))
    families: Iterator[Metric] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    counted = [family for family in families if family.name == "kindling_external_connections"]
    outside = sum(row.opened for row in flows if row.labels.outside)
    assert sum(sample.value for family in counted for sample in family.samples) == outside
