from __future__ import annotations

from collections import deque

import pytest

from factories import CURL, NOON, failure_event, flow, op, request_event
from kindling.config import Exclude, Include, Kubernetes
from kindling.model import Workload
from kindling.model.dns import DnsAnswer
from kindling.table.hiding import Hiding

WEB = Workload("deployment", "web", "shop", "nginx", "web-1")
DEBUG = Workload("pod", "debug", "shop", "sh", "debug")
TEAM = Workload("statefulset", "db", "team-a", "postgres", "db-0")


@pytest.mark.parametrize(
    "settings, hidden",
    [
        (Kubernetes(), []),
        (Kubernetes(exclude=Exclude(namespaces=("shop",))), [WEB, DEBUG]),
        (Kubernetes(exclude=Exclude(namespaces=("team-*",))), [TEAM]),
        (Kubernetes(exclude=Exclude(pods=("*/debug",))), [DEBUG]),
        (Kubernetes(exclude=Exclude(pods=("shop/web-*", "team-a/db-[0-9]"))), [WEB, TEAM]),
        (Kubernetes(include=Include(namespaces=("shop",))), [TEAM]),
        (Kubernetes(include=Include(pods=("shop/web-?",))), [DEBUG, TEAM]),
        (Kubernetes(include=Include(namespaces=("team-a",), pods=("shop/debug",))), [WEB]),
        (Kubernetes(include=Include(namespaces=("shop",)), exclude=Exclude(pods=("shop/debug",))), [DEBUG, TEAM]),
    ],
)
def test_pods_by_name(settings: Kubernetes, hidden: list[Workload]) -> None:
    """What runs in no pod is shown in any case."""
    hiding = Hiding(settings)
    rows = [flow(workload=workload) for workload in (WEB, DEBUG, TEAM, CURL)]
    assert [row.labels.workload for row in rows if row not in hiding.shown(rows)] == hidden
    assert hiding.active == bool(hidden)


def test_ports() -> None:
    rows = [op(port=port) for port in (80, 443, 9100)]
    assert [row.labels.port for row in Hiding(Kubernetes(exclude=Exclude(ports=(9100,)))).shown(rows)] == [80, 443]
    assert [row.labels.port for row in Hiding(Kubernetes(include=Include(ports=(443,)))).shown(rows)] == [443]


def test_annotations_come_and_go() -> None:
    annotated: list[tuple[str, str]] = []
    hiding = Hiding(Kubernetes(), lambda: annotated)
    rows = [flow(workload=WEB), flow(workload=TEAM)]
    assert hiding.shown(rows) == rows
    annotated.append(("shop", "web-1"))
    hiding.refresh()
    assert hiding.shown(rows) == rows[1:]
    annotated.clear()
    hiding.refresh()
    assert hiding.shown(rows) == rows


def test_other_rules_hold_at_once() -> None:
    hiding = Hiding(Kubernetes())
    rows = [flow(workload=WEB), flow(workload=TEAM)]
    assert hiding.shown(rows) == rows
    hiding.reconfigure(Kubernetes(exclude=Exclude(namespaces=("shop",))))
    assert hiding.shown(rows) == rows[1:]
    hiding.reconfigure(Kubernetes())
    assert hiding.shown(rows) == rows


def test_events_of_what_is_excluded_are_forgotten() -> None:
    """In place: others hold the same book."""
    requests = deque(
        [request_event(workload=WEB, remote_port=80), request_event(workload=CURL, remote_port=80)], maxlen=9
    )
    failures = deque(
        [failure_event(workload=CURL, remote_port=22), failure_event(workload=CURL, role="server", local_port=22)]
    )
    hiding = Hiding(Kubernetes(exclude=Exclude(namespaces=("shop",), ports=(22,))))
    hiding.purge(requests, failures)
    assert [event.workload for event in requests] == [CURL]
    assert requests.maxlen == 9
    assert not failures


def test_dns_answers_are_of_port_53() -> None:
    answers = deque([DnsAnswer(NOON, CURL, 1, "192.0.2.53", "example.org", "A", 0, (), truncated=False)])
    Hiding(Kubernetes(exclude=Exclude(ports=(80,)))).purge(answers)
    assert len(answers) == 1
    Hiding(Kubernetes(exclude=Exclude(ports=(53,)))).purge(answers)
    assert not answers
