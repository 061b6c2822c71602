"""How long /metrics with 20,000 series takes: `python benchmarks/scrape.py [SERIES]`. Prints one JSON object."""

from __future__ import annotations

import json
import statistics
import sys
import time

from kindling.config import Metrics
from kindling.export.prometheus import Exporter
from kindling.model import FlowLabels, FlowRow, OpLabels, OpRow, Snapshot, Workload

RUNS = 21
SERIES_PER_FLOW = 3.5
SERIES_PER_OP = 23


def scene(series: int) -> Snapshot:
    """Half the series from connections, half from requests; both roles."""
    flows, ops = int(series / 2 / SERIES_PER_FLOW), int(series / 2 / SERIES_PER_OP)
    snapshot = Snapshot(time=2.0, since=1.0)
    workloads = [Workload(kind="unit", name=f"service-{i}.service") for i in range(40)]
    for i in range(flows):
        client = i % 2 == 0
        labels = FlowLabels(
            workload=workloads[i % len(workloads)],
            role="client" if client else "server",
            transport="tcp",
            protocol="tls" if client else "http",
            local_ip="192.0.2.1",
            remote_ip=f"198.18.{i // 256}.{i % 256}",
            port=443 if client else 80,
            name=f"host-{i}.example.org" if client else "",
            evidence="sni" if client else "address",
            inferred=False,
        )
        flow = FlowRow(labels, 1.0)
        flow.opened = flow.connect_count = i
        flow.connect_ns = flow.bytes_in = flow.bytes_out = 1_000 * i
        flow.srtt_us = 100 + i
        snapshot.flows.append(flow)
    for i in range(ops):
        client = i % 2 == 0
        op = OpRow(
            OpLabels(
                workload=workloads[i % len(workloads)],
                role="client" if client else "server",
                protocol="http",
                local_ip="192.0.2.1",
                remote_ip="198.18.0.1" if client else "",
                port=80,
                name="",
                operation=f"GET /things/{i}/*",
                content=f"/things/{i}/*",
                status="200",
                error=False,
            ),
            1.0,
        )
        op.hist[20:60] = i
        op.count = 40 * i
        op.duration_ns = op.count * 1_000_000
        snapshot.ops.append(op)
    return snapshot


def measure(wanted: int) -> dict[str, float]:
    """Series, bytes of the text, milliseconds to render it: the median and the best."""
    snapshot = scene(wanted)
    exporter = Exporter(node="bench", settings=Metrics(series=10 * wanted))
    text = b"".join(exporter.render(snapshot))  # the first scrape renders the labels
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _piece in exporter.render(snapshot):
            pass
        times.append(1_000 * (time.perf_counter() - start))
    return {
        "series": sum(1 for line in text.splitlines() if not line.startswith(b"#")),
        "bytes": len(text),
        "median_ms": round(statistics.median(times), 1),
        "best_ms": round(min(times), 1),
    }


def main() -> None:
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)))


if __name__ == "__main__":
    main()
