"""The small parts: clock, patience, losses, parents, addresses."""

from __future__ import annotations

from kindling.model import Workload
from kindling.model.labels import FlowLabels
from kindling.table.address import address_text
from kindling.table.clock import Moment
from kindling.table.losses import Losses
from kindling.table.owners import Nobody, Owners
from kindling.table.parents import Parents
from kindling.table.patience import Patience
from unit.table.probe import Probe, address

LABELS = FlowLabels(
    Workload("process", "web"), "client", "tcp", "http", "10.0.0.1", "192.0.2.1", 80, "", "address", False
)


def test_two_clocks() -> None:
    moment = Moment(probe_ns=5_000_000_000, unix=1_700_000_000.0)
    assert moment.to_unix(4_500_000_000) == 1_699_999_999.5


def test_patience_ends() -> None:
    patience = Patience()
    assert [patience.wait(7) for _ in range(5)] == [True, True, True, False, True]
    patience.found(7)
    patience.found(8)
    assert len(patience) == 0


def test_losses() -> None:
    losses = Losses()
    losses.begin_tick(1.0, {"gap": 0, "header": 0})
    assert losses.counts() == {}
    losses.begin_tick(2.0, {"gap": 3, "header": 0})
    losses.lose("flow_rows")
    losses.begin_tick(3.0, {"gap": 5, "header": 0})
    losses.lose("flow_rows")
    assert losses.counts() == {"gap": 5, "flow_rows": 2}
    assert losses.since == {"gap": 2.0, "flow_rows": 2.0}


def test_parents_live_as_long_as_somebody_refers_to_them() -> None:
    probe = Probe()
    probe.owner(5)
    owners = Owners(probe.slots("owner"), Nobody(), 10)
    owners.load(0.0)
    parents = Parents(owners)
    parents.add_flow(9, LABELS, 5)
    parents.add_flow(9, LABELS, 5)
    parents.add_op(9)
    parents.drop_flow(9)
    parents.drop_flow(9)
    assert parents.get(9)
    assert owners.unused(9.0, 1) == []
    parents.drop_op(9)
    assert parents.get(9) is None
    assert owners.unused(9.0, 1) == [1]
    parents.add_op(9)
    parents.drop_op(9)
    parents.drop_flow(9)
    assert len(parents) == 0


def test_addresses() -> None:
    assert address_text(address("192.0.2.1").tobytes()) == "192.0.2.1"
    assert address_text(address("2001:db8::1").tobytes()) == "2001:db8::1"
    assert address_text(bytes(16)) == ""
