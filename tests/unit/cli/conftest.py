"""An agent that stands still, for commands to ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from factories import NOON, SHOP, failure_event, flow, op, request_event, snapshot
from fixed_agent import FixedView, serving
from kindling.api import create_app


def scene() -> FixedView:
    """Sixty connections, a request, a question, two events, something lost."""
    flows = [flow(opened=n + 1, inferred=n == 59, port=1_000 + n, last_seen=NOON + n) for n in range(60)]
    question = op((2,), workload=SHOP, protocol="dns", operation="A example.org", content="example.org", status="0")
    return FixedView(
        snapshot(
            flows=flows,
            ops=[op((1, 2)), question],
            requests=[request_event()],
            failures=[failure_event(time=NOON - 1)],
            lost={"gap": 4},
            stats={"flow_slots": 100, "flow_slots_used": 95, "flow_slots_recycled": 3, "inventory.rows": 12_345},
        )
    )


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with serving(create_app(scene())) as address:
        yield address
