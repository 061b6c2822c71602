"""/metrics as OpenMetrics: headings, exemplars, the end; and who is given it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from factories import NGINX, NOON, flow, op, request_event, snapshot
from kindling.export.families import FAMILIES
from kindling.export.negotiate import CONTENT_TYPE, OPENMETRICS_TYPE, content_type, wants_openmetrics
from kindling.export.prometheus import Exporter
from kindling.export.spans import span_ids
from kindling.model import RequestEvent, Snapshot

#: What Prometheus 2.53 and 3 send.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
    "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

SLOW_OP = op((304,), status="500", error=True)


def text_of(view: Snapshot, *, link_spans: bool = False) -> str:
    exporter = Exporter(node="node-1", link_spans=link_spans)
    return b"".join(exporter.render(view, openmetrics=True)).decode()


def parse(text: str) -> dict[str, Metric]:
    families: Iterator[Metric] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {metric.name: metric for metric in families}


def exemplars(text: str) -> list[tuple[str, dict[str, str], float, float]]:
    """Upper bound, labels, value, time."""
    return [
        (sample.labels["le"], sample.exemplar.labels, sample.exemplar.value, float(sample.exemplar.timestamp or 0))
        for metric in parse(text).values()
        for sample in metric.samples
        if sample.exemplar
    ]


def test_the_parser_takes_all_of_it() -> None:
    view = snapshot(flows=[flow(opened=3, srtt_us=5)], ops=[SLOW_OP], requests=[request_event()], stats={"ticks": 2})
    text = text_of(view)
    assert text.endswith("# EOF\n")
    metrics = parse(text)
    connections = metrics["kindling_external_connections"]
    assert (connections.type, connections.unit) == ("counter", "connections")
    assert connections.samples[0].name == "kindling_external_connections_total"
    assert metrics["kindling_request_duration_seconds"].unit == "seconds"
    assert metrics["kindling_tcp_retransmit"].unit == ""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_unit_is_the_end_of_the_name(family: object) -> None:
    heading = family.heading(openmetrics=True)  # type: ignore[attr-defined]
    for name, unit in re.findall(r"^# UNIT (\S+) (\S+)$", heading, re.MULTILINE):
        assert name.endswith(f"_{unit}")
    assert "_total " not in heading.splitlines()[1]


def test_an_exemplar_stands_on_the_bucket_of_its_duration() -> None:
    view = snapshot(ops=[SLOW_OP], requests=[request_event()])
    ((bound, labels, value, time),) = exemplars(text_of(view))
    assert (bound, value, time) == ("0.536870912", 0.303, NOON)
    assert labels == {"request": "GET /users/17"}
    assert not exemplars(text_of(snapshot(ops=[op((1,))], requests=[request_event()])))


def test_each_bucket_has_the_last_one() -> None:
    events = [
        request_event(request="GET /users/1"),
        request_event(request="GET /users/2", wait_ns=2_000_000_000),
        request_event(request="GET /users/3", time=NOON + 1),
    ]
    found = exemplars(text_of(snapshot(ops=[SLOW_OP], requests=events)))
    assert [labels["request"] for _, labels, _, _ in found] == ["GET /users/3", "GET /users/2"]


def test_a_server_has_exemplars_too() -> None:
    served = op((304,), workload=NGINX, role="server", remote_ip="", name="", port=8080, status="500", error=True)
    event = request_event(workload=NGINX, role="server", local_port=8080, remote_ip="198.51.100.1", remote_port=4_711)
    assert len(exemplars(text_of(snapshot(ops=[served], requests=[event])))) == 1


def test_dns_has_one_histogram_for_all_domains_of_a_server() -> None:
    names = [f"n{i}.example.org" for i in range(3)]
    queries = [op((200,), protocol="dns", content=n, operation=f"A {n}", status="0", port=53) for n in names]
    event = request_event(protocol="dns", content=names[2], request=f"A {names[2]}", status="0", remote_port=53)
    text = text_of(snapshot(ops=queries, requests=[event]))
    assert text.count("kindling_request_duration_seconds_count") == 1
    assert text.count("kindling_dns_requests_total{") == 3
    assert [labels for _, labels, _, _ in exemplars(text)] == [{"request": "A n2.example.org"}]


def test_exemplars_point_at_spans_when_there_are_any() -> None:
    event = request_event()
    ((_, labels, _, _),) = exemplars(text_of(snapshot(ops=[SLOW_OP], requests=[event]), link_spans=True))
    assert (labels["trace_id"], labels["span_id"]) == span_ids(event, "node-1")
    assert re.fullmatch("[0-9a-f]{32}", labels["trace_id"])
    assert re.fullmatch("[0-9a-f]{16}", labels["span_id"])


def test_two_requests_have_two_spans() -> None:
    assert span_ids(request_event()) != span_ids(request_event(local_port=40_001))
    assert span_ids(request_event(), "a") != span_ids(request_event(), "b")


@given(st.text(max_size=300), st.booleans())
def test_exemplars_stay_within_the_limit(request: str, link_spans: bool) -> None:
    event: RequestEvent = request_event(request=request)
    ((_, labels, _, _),) = exemplars(text_of(snapshot(ops=[SLOW_OP], requests=[event]), link_spans=link_spans))
    assert sum(len(name) + len(value) for name, value in labels.items()) <= 128
    assert request.replace('"', "'").encode("utf-8", "replace").decode().startswith(labels["request"])


def test_exemplars_are_in_openmetrics_only() -> None:
    view = snapshot(ops=[SLOW_OP], requests=[request_event()])
    plain = b"".join(Exporter(node="node-1").render(view)).decode()
    assert " # {" not in plain
    assert "# EOF" not in plain


def test_exemplars_are_bounded_and_grow_old() -> None:
    exporter = Exporter(node="node-1")
    exporter.observe([request_event(content=f"/{i}") for i in range(1_500)])
    assert len(exporter.examples) == 1_000
    b"".join(exporter.render(snapshot(time=NOON + 10_000)))
    assert len(exporter.examples) == 0


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ('application/openmetrics-text; version="1.0.0"', True),
        ("application/openmetrics-text; version=2.0.0", False),
        ("application/openmetrics-text; q=0", False),
        ("application/openmetrics-text; q=x", False),
        ("application/openmetrics-text;q=0.1, text/plain;q=0.9", False),
        ("APPLICATION/OPENMETRICS-TEXT, */*;q=0.1", True),
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
    ],
)
def test_who_wants_it(accept: str, wanted: bool) -> None:
    assert wants_openmetrics(accept) is wanted


@given(st.text())
def test_any_accept_header_is_read(accept: str) -> None:
    assert wants_openmetrics(accept) in {True, False}


def test_content_types() -> None:
    assert content_type(openmetrics=True) == OPENMETRICS_TYPE
    assert content_type(openmetrics=False) == CONTENT_TYPE
