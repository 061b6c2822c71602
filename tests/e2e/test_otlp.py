"""The export against the OpenTelemetry Collector's own receiver, and against its failures."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

import factories as make
from certificates import authority
from e2e.conftest import start_agent, web_server
from kindling.config import Otlp
from kindling.export.spans import span_ids
from kindling.otlp import OtlpExporter
from otlp_collector import Collector, collector, free_port, plain, points, until

pytestmark = pytest.mark.timeout(600)  # the receiver is built once

Protocol = Literal["http", "grpc"]
PROTOCOLS: tuple[Protocol, ...] = ("http", "grpc")
FLOW = make.flow(
    opened=3, active=1, bytes_out=10, bytes_in=7, failed={"refused": 2}, connect_count=3, connect_ns=6_000_000
)
SLOW_GET = make.op((1, 5, 5_000))


@pytest.fixture(scope="module")
def running() -> Iterator[Collector]:
    with collector() as started:
        yield started


def url(to: Collector, protocol: Protocol, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{to.grpc if protocol == 'grpc' else to.http}"


@contextmanager
def exporting(
    endpoint: str, protocol: Protocol, said: list[str] | None = None, **settings: Any
) -> Iterator[OtlpExporter]:
    defaults: dict[str, Any] = {"interval": 0.01, "timeout": 2.0, "stop_seconds": 5.0}
    exporter = OtlpExporter(
        Otlp(endpoint=endpoint, protocol=protocol, **(defaults | settings)),
        (said if said is not None else []).append,
        node="node-1",
    )
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.close()


def by_name(data: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for _, name, _, point in points(data):
        found.setdefault(name, []).append(point)
    return found


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_collector_reads_what_was_counted(running: Collector, protocol: Protocol, compression: str) -> None:
    with exporting(url(running, protocol), protocol, compression=compression, headers=("x-tenant: shop",)) as exporter:
        exporter.observe(make.snapshot(flows=[FLOW], ops=[SLOW_GET]))
        data = running.take("metrics")
    found = by_name(data)
    assert [int(p["asInt"]) for p in found["kindling.connection.count"]] == [3]
    assert [int(p["asInt"]) for p in found["kindling.network.io"]] == [10, 7]
    assert [(plain(p["attributes"])["error.type"], int(p["asInt"])) for p in found["kindling.connection.failures"]] == [
        ("refused", 2)
    ]
    (setup,) = found["kindling.connection.setup.duration"]
    assert (int(setup["count"]), setup["sum"]) == (3, 0.006)
    (duration,) = found["http.client.request.duration"]
    assert int(duration["count"]) == sum(map(int, duration["bucketCounts"])) == 3
    assert duration["sum"] == pytest.approx(5.006)
    assert len(duration["bucketCounts"]) == len(duration["explicitBounds"]) + 1
    resources = {owner["service.name"]: owner for owner, *_ in points(data)}
    assert resources["curl"]["host.name"] == "node-1"
    assert exporter.stats()["otlp.sent"] == sum(map(len, found.values()))
    assert exporter.stats()["otlp.pending"] == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_failed_request_is_a_span(running: Collector, protocol: Protocol) -> None:
    event = make.request_event()
    with exporting(url(running, protocol), protocol) as exporter:
        exporter.observe(make.snapshot(requests=[event]))
        data = running.take("traces")
    (span,) = data["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (span["traceId"], span["spanId"]) == span_ids(event, "node-1")
    assert (span["name"], span["kind"], span["status"]) == ("GET /users/*", 3, {"code": 2})
    assert int(span["endTimeUnixNano"]) == int(make.NOON * 1e9)
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == event.duration_ns
    sent, first = [int(each["timeUnixNano"]) - int(span["startTimeUnixNano"]) for each in span["events"]]
    assert (sent, first) == (event.send_ns, event.send_ns + event.wait_ns)
    attributes = plain(span["attributes"])
    assert attributes["http.response.status_code"] == 500
    assert attributes["url.path"] == "/users/17"
    assert attributes["kindling.phase.wait"] == 0.3


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_headers_of_a_file_are_sent(running: Collector, protocol: Protocol, tmp_path: Path) -> None:
    secret = tmp_path / "headers"
    secret.write_text("# rotated monthly\nauthorization: Bearer one\n")
    with exporting(url(running, protocol), protocol, headers_file=secret, headers=("x-tenant: shop",)) as exporter:
        exporter.observe(make.snapshot(flows=[FLOW]))
        headers = running.next("metrics")["headers"]
        assert (headers["authorization"], headers["x-tenant"]) == (["Bearer one"], ["shop"])
        secret.write_text("authorization: Bearer number two\n")
        FLOW.last_seen += 1
        time.sleep(0.02)
        exporter.observe(make.snapshot(flows=[FLOW]))
        assert running.next("metrics")["headers"]["authorization"] == ["Bearer number two"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_collector_cannot_take_now_comes_later(running: Collector, protocol: Protocol) -> None:
    running.say("unavailable")
    said: list[str] = []
    with exporting(url(running, protocol), protocol, said) as exporter:
        exporter.observe(make.snapshot(requests=[make.request_event(status="501")]))
        until(lambda: exporter.stats()["otlp.retried"] >= 1, "a second attempt")
        running.say("ok")
        data = running.take("traces")
        until(lambda: exporter.stats()["otlp.sent"] == 1, "counted as sent")
    assert len(data["resourceSpans"][0]["scopeSpans"][0]["spans"]) == 1
    assert "is not reached" in said[0]
    assert "takes everything again" in said[-1]
    assert len(said) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_collector_says_when_to_come_again(running: Collector, protocol: Protocol) -> None:
    running.say("throttle 2")
    try:
        with exporting(url(running, protocol), protocol) as exporter:
            exporter.observe(make.snapshot(requests=[make.request_event(status="502")]))
            first = running.next("traces")
            at = time.monotonic()
            running.say("ok")
            running.take("traces")
            assert time.monotonic() - at > 1.5
        assert first["refused"]
    finally:
        running.say("ok")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_refused_is_not_sent_again(running: Collector, protocol: Protocol) -> None:
    running.say("invalid")
    said: list[str] = []
    try:
        with exporting(url(running, protocol), protocol, said) as exporter:
            exporter.observe(make.snapshot(requests=[make.request_event(status="503")]))
            until(lambda: exporter.stats()["otlp.failed"] == 1, "counted as failed")
        assert exporter.stats()["otlp.retried"] == 0
        assert "refuses traces" in said[0]
        assert "told to find fault" in said[0]
    finally:
        running.say("ok")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_that_restarts_has_the_newest_numbers(protocol: Protocol) -> None:
    row = make.flow(opened=1)
    http, grpc = free_port(), free_port()
    with collector(http=http, grpc=grpc) as first, exporting(url(first, protocol), protocol, timeout=1.0) as exporter:
        exporter.observe(make.snapshot(flows=[row]))
        assert by_name(first.take("metrics"))["kindling.connection.count"][0]["asInt"] == "1"
        first.process.kill()
        first.process.wait()
        for n in range(2, 6):
            row.opened, row.last_seen = n, make.NOON + n
            time.sleep(0.02)
            begun = time.monotonic()
            exporter.observe(make.snapshot(flows=[row], time=make.NOON + n))
            assert time.monotonic() - begun < 0.1
        with collector(http=http, grpc=grpc) as second:
            values: list[int] = []
            while 5 not in values:
                found = by_name(second.take("metrics"))
                values += [int(point["asInt"]) for point in found["kindling.connection.count"]]
                starts = {point["startTimeUnixNano"] for point in found["kindling.connection.count"]}
                assert starts == {str(int((make.NOON - 1) * 1e9))}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nobody_there_blocks_nothing(protocol: Protocol) -> None:
    """Not the agent's thread, nor its end; what is lost is counted, memory is bounded."""
    with exporting(f"http://127.0.0.1:{free_port()}", protocol, queue_spans=10, stop_seconds=1.0) as exporter:
        for n in range(100):
            begun = time.monotonic()
            exporter.observe(make.snapshot(flows=[FLOW], requests=[make.request_event(pid=n)]))
            assert time.monotonic() - begun < 0.1
        assert exporter.stats()["otlp.pending"] <= 12
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    stats = exporter.stats()
    assert stats["otlp.sent"] == 0
    assert stats["otlp.dropped"] + stats["otlp.pending"] >= 100


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_that_never_answers_is_left(protocol: Protocol) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        said: list[str] = []
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with exporting(endpoint, protocol, said, timeout=0.3, stop_seconds=1.0) as exporter:
            exporter.observe(make.snapshot(requests=[make.request_event()]))
            until(lambda: exporter.stats()["otlp.retried"] >= 1, "a second attempt")
            begun = time.monotonic()
        assert time.monotonic() - begun < 3
        assert "no answer in time" in said[0]
        assert exporter.stats()["otlp.dropped"] == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_slow_collector_gets_everything(running: Collector, protocol: Protocol) -> None:
    running.say("slow 0.3")
    try:
        events = [make.request_event(pid=n) for n in range(1_000)]
        with exporting(url(running, protocol), protocol) as exporter:
            exporter.observe(make.snapshot(requests=events))
        assert exporter.stats()["otlp.sent"] == 1_000
        spans = 0
        while spans < 1_000:
            data = running.take("traces")
            spans += sum(len(s["spans"]) for r in data["resourceSpans"] for s in r["scopeSpans"])
        assert spans == 1_000
    finally:
        running.say("ok")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    signer = authority(folder)
    signer.issue("server")
    signer.issue("client", client=True)
    return folder


@pytest.fixture(scope="module")
def secured(files: Path) -> Iterator[Collector]:
    """Asks for a client certificate."""
    tls = {
        "cert_file": str(files / "server.pem"),
        "key_file": str(files / "server.key"),
        "client_ca_file": str(files / "authority.pem"),
    }
    with collector(tls=tls) as started:
        yield started


class TestTls:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_both_sides_show_certificates(self, secured: Collector, files: Path, protocol: Protocol) -> None:
        own: dict[str, Any] = {"client_cert": files / "client.pem", "client_key": files / "client.key"}
        endpoint = url(secured, protocol, "https", "localhost")
        with exporting(endpoint, protocol, ca_file=files / "authority.pem", **own) as exporter:
            exporter.observe(make.snapshot(requests=[make.request_event()]))
            assert secured.take("traces")["resourceSpans"]

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_a_certificate_nobody_vouches_for(self, secured: Collector, files: Path, protocol: Protocol) -> None:
        said: list[str] = []
        endpoint = url(secured, protocol, "https", "localhost")
        with exporting(endpoint, protocol, said, stop_seconds=0.5) as exporter:
            exporter.observe(make.snapshot(requests=[make.request_event()]))
            until(lambda: said, "said")
        assert "certificate is not trusted" in said[0]
        assert exporter.stats()["otlp.sent"] == 0

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_unless_told_to_trust(self, secured: Collector, files: Path, protocol: Protocol) -> None:
        own: dict[str, Any] = {"client_cert": files / "client.pem", "client_key": files / "client.key"}
        endpoint = url(secured, protocol, "https")
        with exporting(endpoint, protocol, insecure_skip_verify=True, **own) as exporter:
            exporter.observe(make.snapshot(requests=[make.request_event()]))
            assert secured.take("traces")["resourceSpans"]


def test_nothing_of_it_is_imported_when_it_is_off() -> None:
    code = (
        "import sys, kindling.agent.run, kindling.agent.observers; "
        "print([m for m in sys.modules if m.startswith(('kindling.otlp', 'h2', 'google.protobuf', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.root
@pytest.mark.e2e
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_agent_that_stops_has_sent_everything(running: Collector, tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("hello")
    with web_server(tmp_path / "page") as port:
        with start_agent(tmp_path / "data", "--interval", "0.2", "--otlp-endpoint", url(running, "http")) as agent:
            for _ in range(7):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html").close()
            agent.wait_for("requests", lambda rows: any(row["port"] == port for row in rows))
        counts: list[int] = []
        while 7 not in counts:
            counts += [
                int(point["count"])
                for _, name, attributes, point in points(running.take("metrics"))
                if name == "http.client.request.duration" and attributes["server.port"] == port
            ]
