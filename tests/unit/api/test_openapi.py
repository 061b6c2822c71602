"""What the OpenAPI document says is what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from asgi import get
from factories import CURL, NGINX, NOON, SHOP, failure_event, flow, op, request_event, snapshot
from fixed_agent import FixedView
from kindling.api import create_app
from kindling.api.field_texts import FIELD_TEXTS
from kindling.config import Server
from kindling.model import DnsAnswer, DnsRecord, Snapshot

VIEW = FixedView(snapshot())
VIEW.ticks.end()  # streams end after their first event
#: Any question that hypothesis thinks of, as fast as it likes.
APP = create_app(VIEW, Server(requests_per_second=1e9, request_burst=1_000_000))

TEXTS = st.text(max_size=12)
COUNTS = st.integers(0, 1 << 62)
TIMES = st.floats(0, NOON * 2)
WORKLOADS = st.sampled_from([CURL, NGINX, SHOP])
FLOWS = st.builds(
    flow,
    workload=WORKLOADS,
    role=st.sampled_from(["client", "server", "unknown"]),
    name=TEXTS,
    port=st.integers(0, 65_535),
    opened=COUNTS,
    bytes_out=COUNTS,
    failed=st.dictionaries(st.sampled_from(["refused", "timeout"]), COUNTS, max_size=2),
    tls_version=TEXTS,
    first_seen=TIMES,
    last_seen=TIMES,
)
OPS = st.builds(
    op,
    st.lists(st.floats(0.001, 1e6), min_size=1, max_size=3).map(tuple),
    workload=WORKLOADS,
    protocol=st.sampled_from(["http", "dns"]),
    operation=TEXTS,
    status=st.one_of(st.just(""), st.integers(0, 600).map(str)),
    error=st.booleans(),
    request_bytes=COUNTS,
)
ANSWERS = st.builds(
    lambda question, value: DnsAnswer(
        NOON, CURL, 1, "192.0.2.53", question, "A", 0, (DnsRecord(name=question, type="A", ttl=1, value=value),)
    ),
    TEXTS,
    TEXTS,
)
SNAPSHOTS = st.builds(
    snapshot,
    flows=st.lists(FLOWS, max_size=4),
    ops=st.lists(OPS, max_size=4),
    requests=st.lists(st.builds(request_event, status=TEXTS, request=TEXTS, time=TIMES), max_size=2),
    failures=st.lists(st.builds(failure_event, name=TEXTS, time=TIMES), max_size=2),
    answers=st.lists(ANSWERS, max_size=2),
    lost=st.dictionaries(st.sampled_from(["gap", "flow_full", "something else"]), COUNTS, max_size=2),
    stats=st.dictionaries(TEXTS, st.floats(allow_nan=False, allow_infinity=False), max_size=2),
)

DOCUMENT = get(APP, "/api/v1/openapi.json").json()
#: Nonsense may be refused for its size.
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "431"]},
            "positive_data_acceptance": {"expected-statuses": ["2xx", "431", "503"]},
        }
    }
)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)
SCHEMA.app = APP
SCHEMA.config.update(headers={"host": "localhost"})


@SCHEMA.given(shown=SNAPSHOTS)
@SCHEMA.parametrize()
@settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case[Any], shown: Snapshot) -> None:
    VIEW.shown = shown
    case.call_and_validate(excluded_checks=[positive_data_acceptance] if _may_be_refused(case) else None)


def _may_be_refused(case: schemathesis.Case[Any]) -> bool:
    """What no schema can say: of whom a cursor is, what belongs together, what is a network."""
    given = case.query or {}
    return (
        "cursor" in given
        or "group_by" in given
        or ("sort" in given and "external" in case.path)
        or {"since", "until"} <= set(given)
        or any("/" in str(each) for each in given.get("destination", ()))
    )


def _components() -> dict[str, Any]:
    components: dict[str, Any] = DOCUMENT["components"]["schemas"]
    return components


def test_every_field_says_what_it_means() -> None:
    nameless = {
        f"{name}.{field}"
        for name, component in _components().items()
        for field in component.get("properties", {})
        if field not in FIELD_TEXTS
    }
    assert not nameless
    used = {field for component in _components().values() for field in component.get("properties", {})}
    assert used == set(FIELD_TEXTS)


def test_every_path_that_answers_is_described() -> None:
    assert {path for path in DOCUMENT["paths"] if get(APP, path).status in {200, 503}} == set(DOCUMENT["paths"])


def test_who_must_show_a_token_is_told_so(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    app = create_app(VIEW, Server(token_file=token))
    asked = get(app, "/api/v1/openapi.json", {"authorization": "Bearer 0123456789abcdef"}).json()
    assert asked["security"] == [{"token": []}]
    assert asked["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


@pytest.mark.parametrize("table", ["flows", "requests", "dns", "external", "events"])
@given(shown=SNAPSHOTS)
@settings(max_examples=20)
def test_events_of_streams_are_as_described(table: str, shown: Snapshot) -> None:
    component = {"$ref": "#/components/schemas/StreamRecord", "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(component)
    for data in _events(get(create_app(_OneLook(shown)), f"/api/v1/stream/{table}").text):
        validator.validate(data)


class _OneLook(FixedView):
    """Ends when it has been looked at."""

    def snapshot(self) -> Snapshot:
        self.ticks.end()
        return super().snapshot()


def _events(text: str) -> Iterator[Any]:
    found = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert found
    yield from found
