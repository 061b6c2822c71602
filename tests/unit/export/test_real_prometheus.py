"""A real Prometheus reads /metrics, and the queries of docs/metrics.md are put to it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from factories import NGINX, flow, op, request_event, snapshot
from kindling.export.prometheus import Exporter, content_type, wants_openmetrics
from kindling.model import FlowRow, OpRow, Peer, Snapshot, Workload

pytestmark = [
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
    pytest.mark.slow,
]

#: As users have it in their dashboards; see docs/metrics.md.
USER_QUERY = 'count by (dst_ip) (kindling_trace_request_duration_nanoseconds{dst_ip!~"127..*|10..*|172..*"})'
PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
START_SECONDS = 60
WEB = Workload("deployment", "web", "shop", container="nginx", pod="web-1")

STATS = {
    "kubernetes.synced": 1,
    "kubernetes.objects.pods": 3,
    "ticks": 60,
    "tick_seconds": 0.2,
    "flow_slots": 16_383,
    "flow_slots_used": 205,
}


class Prometheus:
    """Its HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, query: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{urllib.parse.urlencode({'query': query})}") as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def exemplars(self, query: str) -> list[dict[str, Any]]:
        now = time.time()
        question = urllib.parse.urlencode({"query": query, "start": now - 600, "end": now + 600})
        with urllib.request.urlopen(f"{self._url}/api/v1/query_exemplars?{question}") as answer:
            series: list[dict[str, Any]] = json.load(answer)["data"]
        return series

    def wait_for(self, query: str) -> list[dict[str, Any]]:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                result = self.ask(query)
            except (urllib.error.URLError, ConnectionError):
                result = []
            if result:
                return result
            time.sleep(0.1)
        pytest.fail(f"Prometheus never answered {query}")


def host() -> Snapshot:
    """Destinations of all kinds: most of them were never slow and never failed."""
    now = time.time()
    outside = [flow(remote_ip=f"93.184.{i}.7", name=f"h{i}.example.org", opened=1, connect_count=1) for i in range(150)]
    cluster = [
        flow(workload=WEB, remote_ip="203.0.113.40", peer=Peer("node", "", "node", "n2", node="n2"), opened=1),
        flow(workload=WEB, remote_ip="10.1.0.9", peer=Peer("pod", "pay", "statefulset", "db", "db-0"), opened=2),
        flow(workload=WEB, role="server", local_ip="10.1.0.5", remote_ip="10.1.0.7", port=80, service="web", opened=3),
        flow(workload=WEB, remote_ip="8.8.4.4", name="pay.example.com", opened=4),
    ]
    outside += [flow(remote_ip=f"2001:db8::{i:x}", name="", evidence="address", opened=1) for i in range(1, 50)]
    others = [
        flow(remote_ip="198.51.100.1", protocol="unknown", name="", evidence="address", opened=1),
        flow(remote_ip="198.51.100.2", protocol="ntp", transport="udp", port=123, name="", opened=1),
        flow(remote_ip="198.51.100.3", name="", evidence="address", failed={"refused": 4}),
        flow(remote_ip="192.168.4.5", name="", evidence="address", scope="private", opened=1),
        flow(remote_ip="10.1.2.3", name="", evidence="address", scope="private", opened=1),
        flow(remote_ip="127.0.0.1", scope="loopback", opened=1),
        flow(role="server", remote_ip="203.0.113.77", workload=NGINX, port=80, protocol="http", opened=1),
    ]
    flows = [*outside, *others, *cluster]
    ops = [
        op((3,), workload=WEB, role="server", local_ip="10.1.0.5", remote_ip="", name="", service="web"),
        op((3,), workload=WEB, remote_ip="10.1.0.9", peer=Peer("pod", "pay", "statefulset", "db", "db-0")),
        op((304,), status="500", error=True),
        op((3,), workload=NGINX, role="server", remote_ip="", name=""),
        op((2,), protocol="dns", operation="A example.org", content="example.org", status="3", error=True, port=53),
        op((5_000,), protocol="dns", operation="A example.net", content="example.net", status="", port=53),
    ]
    rows: list[FlowRow | OpRow] = [*flows, *ops]
    for row in rows:
        row.first_seen = row.last_seen = now
    event = request_event(time=now, remote_ip="93.184.216.34")
    return snapshot(time=now, since=now - 60, flows=flows, ops=ops, requests=[event], stats=STATS)


@pytest.fixture(scope="module")
def metrics() -> Iterator[int]:
    """The port of something that serves /metrics as an agent does."""
    exporter, shown = Exporter(node="node-1"), host()
    asked = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            openmetrics = wants_openmetrics(self.headers.get("Accept", ""))
            with asked:
                body = b"".join(exporter.render(shown, openmetrics=openmetrics))
            self.send_response(200)
            self.send_header("Content-Type", content_type(openmetrics=openmetrics))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it so
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(metrics: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s"},
                "scrape_configs": [
                    {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{metrics}"]}]}
                    for job in ("kindling", "again")
                ],
            }
        ),
        encoding="ascii",
    )
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder) as process:
        running = Prometheus(f"http://127.0.0.1:{port}")
        try:
            running.wait_for('up{job="again"} == 1')
            running.wait_for('up{job="kindling"} == 1')
            yield running
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def test_the_users_query_gives_every_external_address(prometheus: Prometheus) -> None:
    found = {series["metric"]["dst_ip"] for series in prometheus.ask(USER_QUERY)}
    wanted = {row.labels.remote_ip for row in host().flows if row.labels.outside}
    wanted |= {"93.184.216.34"}  # of the request that failed
    assert found == {ip for ip in wanted if not re.fullmatch("127..*|10..*|172..*", ip)}
    assert len(found) == 205


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ('kindling_k8s_workload_info{namespace="shop",workload_kind="deployment",workload_name="web"}', 1),
        ('kindling_entity_request_total{namespace="shop",pod="web-1",service="web",is_slow="false"}', 1),
        ('kindling_topology_request_total{src_pod="web-1",dst_namespace="pay",dst_pod="db-0",is_slow="false"}', 1),
        ('kindling_external_connections_total{src_namespace="shop",src_workload_name="web",src_pod="web-1"}', 4),
        ("kindling_kubernetes_synced", 1),
        ('kindling_kubernetes_objects{resource="pods"}', 3),
    ],
)
def test_workloads_of_a_cluster(prometheus: Prometheus, query: str, value: int) -> None:
    assert {float(series["value"][1]) for series in prometheus.ask(query)} == {value}


def test_two_scrapers_see_the_same(prometheus: Prometheus) -> None:
    for family in ("kindling_trace_request_duration_nanoseconds", "kindling_external_connections_total"):
        (first,) = prometheus.ask(f'count({family}{{job="kindling"}})')
        (second,) = prometheus.ask(f'count({family}{{job="again"}})')
        assert first["value"][1] == second["value"][1]


def test_exemplars_arrive(prometheus: Prometheus) -> None:
    series = prometheus.exemplars("kindling_request_duration_seconds_bucket")
    assert {e["labels"]["request"] for one in series for e in one["exemplars"]} == {"GET /users/17"}


@pytest.mark.parametrize("query", re.findall(r"```promql\n(.*?)\n```", PAGE, re.DOTALL))
def test_every_query_of_the_page_is_understood(prometheus: Prometheus, query: str) -> None:
    prometheus.ask(query)
    for name in set(re.findall(r"\b(?:kindling|process)_\w+", query)):
        assert prometheus.ask(f"count({name})"), name
