"""Which rows are wanted."""

from __future__ import annotations

import re
import time
from fnmatch import translate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NGINX, NOON, SHOP, failure_event, flow, op, request_event, snapshot
from kindling.errors import InputError
from kindling.export.filters import LONGEST_VALUE, MOST_VALUES, Filter, pattern
from kindling.export.horizon import Horizon
from kindling.export.table import matching
from kindling.export.tables import DNS, EVENTS, EXTERNAL, FLOWS, REQUESTS

VIEW = snapshot(
    flows=[
        flow(opened=1),
        flow(
            workload=NGINX, role="server", protocol="http", remote_ip="10.1.2.3", port=80, name="", evidence="address"
        ),
        flow(workload=SHOP, transport="udp", protocol="dns", remote_ip="2001:db8::53", port=53, scope="private"),
    ],
    ops=[
        op((1,)),
        op((1,), workload=NGINX, role="server", remote_ip="", status="404", error=True),
        op((1,), protocol="dns", operation="A www.test", content="www.test", status="3", remote_ip="192.0.2.53"),
    ],
    requests=[request_event(time=NOON - 60), request_event(status="", error=False, slow=True)],
    failures=[failure_event(role="server", local_port=8080)],
)


def ports(**wanted: Any) -> list[int]:
    return [row.labels.port for row in matching(FLOWS, VIEW, Horizon(), Filter(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [443, 80, 53]),
        ({"workload": ("CURL",)}, [443]),
        ({"workload": ("nginx*", "sh?p")}, [80]),
        ({"workload": ("nginx", "shop")}, [53]),
        ({"namespace": ("*",)}, [443, 80, 53]),
        ({"namespace": ("prod",)}, []),
        ({"port": (80, 53)}, [80, 53]),
        ({"port": (80,), "workload": ("curl",)}, []),
        ({"protocol": ("TLS",)}, [443]),
        ({"protocol": ("udp", "http")}, [80, 53]),
        ({"destination": ("example.org",)}, [443, 53]),
        ({"destination": ("*.org",)}, [443, 53]),
        ({"destination": ("example",)}, []),
        ({"destination": ("10.0.0.0/8",)}, [80]),
        ({"destination": ("10.0.0.0/8", "93.184.216.34")}, [443, 80]),
        ({"destination": ("2001:DB8:0::53",)}, [53]),
        ({"destination": ("2001:db8::/32",)}, [53]),
        ({"scope": ("private",)}, [53]),
        ({"transport": ("udp",)}, [53]),
        ({"role": ("server",)}, [80]),
        ({"evidence": ("address",)}, [80]),
        ({"search": "AMPLE"}, [443, 53]),
        ({"search": "10.1.2"}, [80]),
        ({"since": NOON}, [443, 80, 53]),
        ({"since": NOON + 1}, []),
        ({"until": NOON - 1}, []),
    ],
)
def test_flows(wanted: dict[str, Any], found: list[int]) -> None:
    assert ports(**wanted) == found


def test_requests_have_a_status_and_an_operation() -> None:
    def found(**wanted: Any) -> list[str]:
        return [row.labels.status for row in matching(REQUESTS, VIEW, Horizon(), Filter(**wanted))]

    assert found(status=("4*",)) == ["404"]
    assert found(status=("NXDOMAIN",)) == ["3"]
    assert found(search="/users") == ["200", "404"]


def test_dns_is_found_by_the_question_too() -> None:
    assert len(matching(DNS, VIEW, Horizon(), Filter(destination=("www.test.",)))) == 1
    assert len(matching(DNS, VIEW, Horizon(), Filter(destination=("192.0.2.0/24",)))) == 1


def test_operations_are_told_by_the_scope_of_their_address() -> None:
    def found(scope: str) -> list[str]:
        own = Horizon(["93.184.216.34"])
        return [row.labels.remote_ip for row in matching(REQUESTS, VIEW, own, Filter(scope=(scope,)))]

    assert found("own") == ["93.184.216.34"]
    assert found("private") == ["192.0.2.53"]
    assert found("public") == []


def test_external_rows_have_many_addresses() -> None:
    view = snapshot(flows=[flow(remote_ip=ip) for ip in ("198.51.100.1", "198.51.100.2")])
    assert len(matching(EXTERNAL, view, Horizon(), Filter(destination=("198.51.100.2",)))) == 1
    assert not matching(EXTERNAL, view, Horizon(), Filter(destination=("198.51.100.3",)))


def test_events() -> None:
    def found(**wanted: Any) -> int:
        return len(matching(EVENTS, VIEW, Horizon(), Filter(**wanted)))

    assert found() == 3
    assert found(reason=("slow", "refused")) == 2
    assert found(port=(8080,)) == 1
    assert found(since=NOON - 1) == 2
    assert found(status=("500",)) == 1


@pytest.mark.parametrize(
    "wanted",
    [
        {"role": ("boss",)},
        {"evidence": ("rumour",)},
        {"transport": ("sctp",)},
        {"port": (70_000,)},
        {"destination": ("10.0.0.0/99",)},
        {"destination": ("x" * (LONGEST_VALUE + 1),)},
        {"workload": ("x",) * (MOST_VALUES + 1)},
        {"search": "x" * (LONGEST_VALUE + 1)},
        {"since": 2.0, "until": 1.0},
    ],
)
def test_nonsense_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Filter(**wanted)


@given(st.text("ab*.", max_size=12), st.text("ab.", max_size=12))
def test_stars_stand_for_any_text(value: str, text: str) -> None:
    assert bool(pattern([value])(text)) == bool(re.fullmatch(translate(value), text))


@given(st.lists(st.text(max_size=8), max_size=4), st.text(max_size=20))
def test_no_other_character_means_anything(values: list[str], text: str) -> None:
    plain = [value for value in values if "*" not in value]
    assert bool(plain and pattern(plain)(text)) == any(re.fullmatch(re.escape(v), text, re.IGNORECASE) for v in plain)


def test_many_stars_take_no_long_time() -> None:
    begun = time.process_time()
    assert not pattern(["*a" * 120 + "b"])("a" * 255)
    assert time.process_time() - begun < 0.5
