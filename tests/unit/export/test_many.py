"""Floods of labels against the budget of series: bounded, and exact in sum."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterable

import pytest

from factories import CURL, NGINX, NOON, SHOP, flow, op, request_event, snapshot
from kindling.config import Metrics
from kindling.export.prometheus import Exporter
from kindling.model import FlowRow, OpRow, Workload

PATHS = 20_000
DESTINATIONS = 100_000


def lines_of(
    exporter: Exporter, flows: Iterable[FlowRow] = (), ops: Iterable[OpRow] = (), at: float = NOON
) -> list[str]:
    view = snapshot(flows=list(flows), ops=list(ops), time=at)
    return [line for line in b"".join(exporter.render(view)).decode().splitlines() if line[0] != "#"]


def total(lines: Iterable[str], name: str, having: str = "") -> float:
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{") and having in line)


def count(lines: Iterable[str], name: str) -> int:
    return sum(line.startswith(f"{name}{{") for line in lines)


def test_twenty_thousand_paths() -> None:
    exporter = Exporter(node="node-1")
    ops = [
        op((i % 900,), workload=NGINX, role="server", remote_ip="", name="", content=f"/p{i}", response_bytes=i)
        for i in range(PATHS)
    ]
    for row in ops[::100]:
        row.labels = op(workload=NGINX, role="server", remote_ip="", content=row.labels.content, error=True).labels
    lines = lines_of(exporter, ops=ops)
    assert len(lines) <= 20_000
    assert total(lines, "kindling_entity_request_total") == PATHS
    assert total(lines, "kindling_entity_request_send_bytes_total") == PATHS * (PATHS - 1) / 2
    assert total(lines, "kindling_request_duration_seconds_count") == PATHS
    assert total(lines, "kindling_request_duration_seconds_bucket", 'le="+Inf"') == PATHS
    assert total(lines, "kindling_request_errors_total") == PATHS / 100
    assert total(lines, "kindling_entity_request_total", 'request_content="other"') > PATHS / 2
    dropped = total(lines, "kindling_agent_series_dropped_total", "kindling_entity_request_total")
    assert dropped == PATHS - (count(lines, "kindling_entity_request_duration_nanoseconds_total") - 1)


def test_a_flood_of_paths_leaves_room_for_destinations() -> None:
    exporter = Exporter(node="node-1")
    ops = [op((1,), remote_ip=f"10.0.{i >> 8}.{i & 255}", content=f"/{i}") for i in range(5_000)]
    lines_of(exporter, ops=ops)
    flows = [flow(remote_ip=f"93.1.{i >> 8}.{i & 255}", name=f"h{i}.example.org", opened=1) for i in range(900)]
    lines = lines_of(exporter, flows, ops)
    assert count(lines, "kindling_external_connections_total") == 900
    assert 'destination="other"' not in "".join(lines)


def test_a_hundred_thousand_destinations() -> None:
    exporter = Exporter(node="node-1")
    workloads = (CURL, NGINX, SHOP)
    flows = [
        flow(
            workload=workloads[i % 3],
            remote_ip=f"93.{i >> 16}.{i >> 8 & 255}.{i & 255}",
            name=f"h{i}.example.org",
            opened=2,
            bytes_out=i,
            connect_count=2,
            failed={"refused": i % 2},
        )
        for i in range(DESTINATIONS)
    ]
    lines = lines_of(exporter, flows)
    assert len(lines) <= 20_000 * 1.05
    assert total(lines, "kindling_external_connections_total") == 2 * DESTINATIONS
    assert total(lines, "kindling_external_bytes_total", 'direction="out"') == DESTINATIONS * (DESTINATIONS - 1) / 2
    assert total(lines, "kindling_external_connect_failures_total") == DESTINATIONS / 2
    assert total(lines, "kindling_tcp_connect_total", 'success="true"') == 2 * DESTINATIONS
    assert total(lines, "kindling_tcp_connect_total", 'errno="111"') == DESTINATIONS / 2
    for workload in workloads:
        assert total(lines, "kindling_external_connections_total", f'src_workload_name="{workload.name}"') > 0
    flows[-1].opened += 5
    flows[-1].last_seen += 1
    again = lines_of(exporter, flows, at=NOON + 1)
    assert total(again, "kindling_external_connections_total") == 2 * DESTINATIONS + 5


def test_a_thousand_workloads_that_all_flood() -> None:
    exporter = Exporter(node="node-1")
    workloads = [Workload(kind="unit", name=f"u{i}.service") for i in range(1_000)]
    flows = [flow(workload=w, name=f"{n}.{w.name}.example", opened=1) for w in workloads for n in range(10)]
    lines = lines_of(exporter, flows)
    assert len(lines) <= 20_000
    assert total(lines, "kindling_external_connections_total") == 10_000
    assert total(lines, "kindling_external_connections_total", 'src_workload_name="other"') > 0


def test_memory_of_labels_is_bounded_by_the_budget() -> None:
    """Ever new destinations, each for a while: what is kept does not grow with their number."""
    exporter = Exporter(node="node-1", settings=Metrics(series=2_000, idle_seconds=30))
    for step in range(20):
        now = NOON + 60 * step
        flows = [flow(remote_ip=f"93.{step}.0.{i}", name=f"h{step}-{i}.example.org", opened=1) for i in range(50)]
        for row in flows:
            row.first_seen = row.last_seen = now
        assert count(lines_of(exporter, flows, at=now), "kindling_external_connections_total") == 50
    sections = (*exporter._of_flows, *exporter._of_ops)
    assert sum(len(section._seats) for section in sections) == 5 * 50
    assert sum(len(section._idle) for section in sections) == 0
    assert exporter.budget.used <= 2_000


def test_a_scrape_of_full_tables_is_quick() -> None:
    """Far from exact: it guards against work that grows with what is folded, not against a busy machine."""
    exporter = Exporter(node="node-1")
    flows = [flow(remote_ip=f"93.0.{i >> 8}.{i & 255}", name=f"h{i}.example.org", opened=1) for i in range(20_000)]
    lines_of(exporter, flows)
    best = min(_seconds(exporter, flows) for _ in range(5))
    assert best < 0.25


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_scrape_takes_little_memory(*, openmetrics: bool) -> None:
    """Of text of megabytes no more than pieces are in memory at a time."""
    exporter = Exporter(node="node-1")
    flows = [
        flow(remote_ip=f"93.0.{i >> 8}.{i & 255}", name=f"h{i}.example.org", opened=1, connect_count=1)
        for i in range(10_000)
    ]
    ops = [op((1,), content=f"/{i}", error=True) for i in range(100)]
    view = snapshot(flows=flows, ops=ops, requests=[request_event(content=f"/{i}") for i in range(1_000)])
    size = sum(map(len, exporter.render(view, openmetrics=openmetrics)))
    tracemalloc.start()
    try:
        for _ in exporter.render(view, openmetrics=openmetrics):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 5_000_000
    assert peak < 1_500_000


def _seconds(exporter: Exporter, flows: list[FlowRow]) -> float:
    begun = time.process_time()
    for _ in exporter.render(snapshot(flows=flows)):
        pass
    return time.process_time() - begun
