"""What users see after a tick: flows, operations, events, queries without answer, recycled slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kindling.config import Limits, Recycling, Settings
from kindling.model import EventKind, FlowRow, NameKind, OpRow, ProtocolNumber, RoleNumber, Workload
from kindling.table import Collector
from kindling.table.counters import Counters
from unit.table.probe import (
    EVENT_DNS,
    EVENT_FAILURE,
    EVENT_REQUEST,
    PENDING,
    Probe,
    event,
)

WEB = Workload("process", "web")
OLD = Workload("process", "old", inferred=True)
INFERRED = 1 << 63

DNS_MESSAGE = b"\0\1\x81\x80\0\1\0\1\0\0\0\0\3www\7example\3org\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x09"


class Somebody:
    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        return Workload("process", comm.decode(), pid=tgid)

    def adopted(self, owner: int) -> Workload | None:
        return OLD if owner == INFERRED | 7 else None


@pytest.fixture
def probe() -> Probe:
    probe = Probe()
    probe.owner(3, b"web")
    return probe


@pytest.fixture
def collect(probe: Probe) -> Callable[..., Collector]:
    def make(**settings: Any) -> Collector:
        return Collector(probe, Settings(**settings), Somebody(), clock=lambda: probe.clock_ns / 1e9)

    return make


@pytest.fixture
def collector(collect: Callable[..., Collector]) -> Collector:
    return collect()


def flow(collector: Collector) -> FlowRow:
    (row,) = collector.snapshot().flows
    return row


def op(collector: Collector) -> OpRow:
    (row,) = collector.snapshot().ops
    return row


class TestFlows:
    def test_labels(self, probe: Probe, collector: Collector) -> None:
        probe.name(9, b"shop.example:80", NameKind.HOST)
        probe.add_flow(probe.flow(50, owner=3, name=9, port=80), opened=1)
        collector.tick()
        labels = flow(collector).labels
        assert labels.workload == WEB
        assert (labels.role, labels.transport, labels.protocol) == ("client", "tcp", "http")
        assert (labels.local_ip, labels.remote_ip, labels.port) == ("10.0.0.1", "192.0.2.9", 80)
        assert (labels.name, labels.evidence) == ("shop.example", "host")
        assert not labels.inferred

    def test_totals(self, probe: Probe, collector: Collector) -> None:
        slot = probe.flow(50, owner=3)
        probe.add_flow(slot, opened=3, closed=1, closed_reset=1, failed0=2, failed3=1)
        probe.add_flow(slot, bytes_in=7, bytes_out=8, packets_in=1, packets_out=2, retransmits=4)
        probe.add_flow(slot, srtt_us=900, rtt_min_us=800, tls_version=4, alpn=2, unsettled=1)
        collector.tick()
        row = flow(collector)
        assert (row.opened, row.active, row.closed, row.closed_reset) == (3, 3, 1, 1)
        assert (row.failed["refused"], row.failed["unreachable"], row.failures) == (2, 1, 3)
        assert (row.bytes_in, row.bytes_out, row.packets_in, row.packets_out) == (7, 8, 1, 2)
        assert (row.retransmits, row.srtt_us, row.rtt_min_us) == (4, 900, 800)
        assert (row.tls_version, row.alpn) == ("1.3", "h2")
        probe.add_flow(slot, unsettled=-1, opened=1, rtt_min_us=0, srtt_us=950, alpn=0)
        collector.tick()
        assert (row.opened, row.active, row.srtt_us, row.rtt_min_us, row.alpn) == (4, 3, 950, 800, "h2")

    def test_one_row_for_slots_that_look_alike(self, probe: Probe, collector: Collector) -> None:
        """Undecided and unknown are the same to users."""
        for key, protocol in ((50, ProtocolNumber.UNDECIDED), (51, ProtocolNumber.UNKNOWN)):
            probe.add_flow(probe.flow(key, owner=3, protocol=protocol), opened=1)
        collector.tick()
        assert flow(collector).opened == 2
        assert flow(collector).labels.protocol == "unknown"

    def test_rows_without_any_count_are_not_shown(self, probe: Probe, collector: Collector) -> None:
        probe.flow(50, owner=3)
        collector.tick()
        assert collector.snapshot().flows == []

    def test_other(self, probe: Probe, collector: Collector) -> None:
        probe.add_flow(0, opened=2)
        collector.tick()
        assert flow(collector).labels.workload.name == "other"

    def test_owner_given_by_user_space(self, probe: Probe, collector: Collector) -> None:
        probe.add_flow(probe.flow(50, owner=INFERRED | 7), opened=1)
        collector.tick()
        assert flow(collector).labels.workload == OLD
        assert flow(collector).labels.inferred

    def test_owner_that_never_comes(self, probe: Probe, collector: Collector) -> None:
        probe.add_flow(probe.flow(50, owner=99), opened=1)
        for _ in range(3):
            collector.tick()
            assert collector.snapshot().flows == [], "it may still come"
        collector.tick()
        assert flow(collector).labels.workload.name == "unknown"
        assert flow(collector).opened == 1

    def test_owner_that_comes_late(self, probe: Probe, collector: Collector) -> None:
        probe.add_flow(probe.flow(50, owner=99), opened=1)
        collector.tick()
        probe.owner(99, b"late")
        collector.tick()
        assert flow(collector).labels.workload.name == "late"

    def test_name_that_never_comes(self, probe: Probe, collector: Collector) -> None:
        probe.add_flow(probe.flow(50, owner=3, name=77), opened=1)
        collector.tick(final=True)
        assert (flow(collector).labels.name, flow(collector).labels.evidence) == ("", "address")

    def test_host_that_is_the_address(self, probe: Probe, collector: Collector) -> None:
        probe.name(9, b"192.0.2.9:8080", NameKind.HOST)
        probe.add_flow(probe.flow(50, owner=3, name=9), opened=1)
        collector.tick()
        assert (flow(collector).labels.name, flow(collector).labels.evidence) == ("", "address")

    def test_too_many_rows(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(limits=Limits(flow_rows=2))
        for key in range(50, 55):
            probe.add_flow(probe.flow(key, owner=3, port=key), opened=1)
        collector.tick()
        snapshot = collector.snapshot()
        assert sum(row.opened for row in snapshot.flows) == 5
        assert len(snapshot.flows) == 3
        assert snapshot.lost == {"flow_rows": 3}
        assert snapshot.lost_since == {"flow_rows": snapshot.time}


class TestOperations:
    def test_client(self, probe: Probe, collector: Collector) -> None:
        probe.name(9, b"shop.example", NameKind.HOST)
        probe.name(8, b"GET /users/7")
        probe.flow(50, owner=3, name=9)
        probe.add_op(probe.op(50, 8, 404), 2_000_000, 120)
        collector.tick()
        row = op(collector)
        labels = row.labels
        assert (labels.workload, labels.role, labels.protocol) == (WEB, "client", "http")
        assert (labels.remote_ip, labels.port, labels.name) == ("192.0.2.9", 80, "shop.example")
        assert (labels.operation, labels.content) == ("GET /users/*", "/users/*")
        assert (labels.status, labels.error) == ("404", True)
        assert (row.count, row.duration_ns, row.request_bytes) == (1, 2_000_000, 120)

    def test_server_has_no_remote(self, probe: Probe, collector: Collector) -> None:
        probe.name(8, b"GET /")
        for key, remote in ((50, "192.0.2.1"), (51, "192.0.2.2")):
            probe.flow(key, owner=3, remote=remote, role=RoleNumber.SERVER, parent=60)
        probe.add_op(probe.op(60, 8, role=RoleNumber.SERVER))
        collector.tick()
        labels = op(collector).labels
        assert (labels.role, labels.remote_ip, labels.local_ip) == ("server", "", "10.0.0.1")

    def test_other(self, probe: Probe, collector: Collector) -> None:
        probe.flow(50, owner=3)
        probe.add_op(probe.op(50, 1))
        collector.tick()
        assert op(collector).labels.operation == "other"

    def test_slot_0(self, probe: Probe, collector: Collector) -> None:
        probe.add_op(0)
        collector.tick()
        assert op(collector).labels.workload.name == "other"

    def test_operations_of_the_flow_other(self, probe: Probe, collector: Collector) -> None:
        probe.name(8, b"GET /")
        probe.add_op(probe.op(0, 8))
        collector.tick()
        assert op(collector).labels.operation == "GET /"
        assert op(collector).labels.workload.name == "unknown"

    def test_name_that_comes_late(self, probe: Probe, collector: Collector) -> None:
        probe.flow(50, owner=3)
        slot = probe.op(50, 8)
        probe.add_op(slot)
        for _ in range(4):
            collector.tick()
        assert op(collector).labels.operation == "?"
        probe.name(8, b"GET /")
        probe.add_op(slot)
        collector.tick()
        assert {r.labels.operation: r.count for r in collector.snapshot().ops} == {"?": 1, "GET /": 1}

    def test_parent_that_comes_late(self, probe: Probe, collector: Collector) -> None:
        probe.name(8, b"GET /")
        probe.add_op(probe.op(50, 8))
        collector.tick()
        assert collector.snapshot().ops == []
        probe.flow(50, owner=3)
        collector.tick()
        assert op(collector).labels.workload == WEB

    def test_too_many_rows(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(limits=Limits(op_rows=1))
        probe.flow(50, owner=3)
        for key in (8, 9, 10):
            probe.name(key, b"GET /%c" % (key + 90))
            probe.add_op(probe.op(50, key))
        collector.tick()
        snapshot = collector.snapshot()
        assert sorted(row.count for row in snapshot.ops) == [1, 2]
        assert snapshot.lost == {"op_rows": 2}


class TestEvents:
    def request(self, probe: Probe, **fields: Any) -> bytes:
        values: dict[str, Any] = {
            "tgid": 44,
            "ts": probe.clock_ns - 500_000_000,
            "owner": 3,
            "flow": 50,
            "local": "10.0.0.1",
            "remote": "192.0.2.9",
            "local_port": 40_000,
            "remote_port": 80,
            "role": RoleNumber.CLIENT,
            "transport": 6,
            "protocol": ProtocolNumber.HTTP1,
            "op": 8,
            "wait_ns": 700_000_000,
            "status": 200,
            "slow": 1,
            "request_len": 22,
            "request_head": b"GET /users/7 HTTP/1.1\r\n",
        }
        return event(EventKind.REQUEST, EVENT_REQUEST, **{**values, **fields})

    def test_request(self, probe: Probe, collector: Collector) -> None:
        probe.name(8, b"GET /users/*")
        probe.name(9, b"shop.example", NameKind.HOST)
        probe.flow(50, owner=3, name=9)
        probe.ring.append(self.request(probe))
        collector.tick()
        (seen,) = collector.snapshot().requests
        assert (seen.workload, seen.pid, seen.role) == (WEB, 44, "client")
        assert (seen.remote_ip, seen.remote_port, seen.name) == ("192.0.2.9", 80, "shop.example")
        assert (seen.operation, seen.request) == ("GET /users/*", "GET /users/7")
        assert (seen.status, seen.error, seen.slow, seen.duration_ns) == ("200", False, True, 700_000_000)
        assert seen.time == probe.clock_ns / 1e9 - 0.5

    @pytest.mark.parametrize("number, label", [(1, "other"), (77, "?")])
    def test_request_without_head(self, probe: Probe, collector: Collector, number: int, label: str) -> None:
        probe.ring.append(self.request(probe, op=number, request_len=0))
        collector.tick()
        (seen,) = collector.snapshot().requests
        assert (seen.operation, seen.request) == (label, label)

    def test_failure(self, probe: Probe, collector: Collector) -> None:
        fields: dict[str, Any] = {"owner": 3, "remote": "192.0.2.9", "remote_port": 81, "role": 1}
        for reason in (0, 77):
            probe.ring.append(event(EventKind.FAILURE, EVENT_FAILURE, reason=reason, duration_ns=5, **fields))
        collector.tick()
        seen, strange = collector.snapshot().failures
        assert (seen.workload, seen.reason, seen.remote_port) == (WEB, "refused", 81)
        assert strange.reason == "unknown"

    def answer(self, role: int = RoleNumber.CLIENT, message: bytes = DNS_MESSAGE) -> bytes:
        whole = event(
            EventKind.DNS,
            EVENT_DNS,
            owner=3,
            role=role,
            remote="10.0.0.53",
            local="10.0.0.1",
            message=message,
            len=len(message),
            full_len=len(message),
            ts=1_000_000_000_000,
        )
        return whole[: EVENT_DNS.fields["message"][1] + len(message)]  # type: ignore[index]

    def test_an_answer_names_the_flow_that_follows(self, probe: Probe, collector: Collector) -> None:
        probe.ring.append(self.answer())
        probe.add_flow(probe.flow(50, owner=3), opened=1)
        collector.tick()
        assert (flow(collector).labels.name, flow(collector).labels.evidence) == ("www.example.org", "dns")
        (seen,) = collector.snapshot().answers
        assert (seen.question, seen.type, seen.rcode, seen.server_ip) == (
            "www.example.org",
            "A",
            0,
            "10.0.0.53",
        )
        assert [r.value for r in seen.records] == ["192.0.2.9"]

    def test_an_answer_names_no_clients_of_a_server(self, probe: Probe, collector: Collector) -> None:
        probe.ring.append(self.answer())
        probe.add_flow(probe.flow(50, owner=3, role=RoleNumber.SERVER), opened=1)
        collector.tick()
        assert flow(collector).labels.name == ""

    def test_answer_given_by_a_server(self, probe: Probe, collector: Collector) -> None:
        probe.ring.append(self.answer(RoleNumber.SERVER))
        collector.tick()
        (seen,) = collector.snapshot().answers
        assert seen.server_ip == "10.0.0.1"

    @pytest.mark.parametrize(
        "broken",
        [b"", b"\1\0", bytes(2000), b"\1\0" + bytes(100), b"\2\0" + bytes(80), b"\3\0" + bytes(200)],
        ids=["empty", "kind only", "no kind", "short request", "short failure", "no answer"],
    )
    def test_events_that_cannot_be_read(self, probe: Probe, collector: Collector, broken: bytes) -> None:
        probe.ring.append(broken)
        collector.tick()
        assert collector.snapshot().lost == {"event_unreadable": 1}

    def test_only_the_newest_are_kept(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(limits=Limits(recent_requests=2))
        for pid in (1, 2, 3):
            probe.ring.append(self.request(probe, tgid=pid))
        collector.tick()
        assert [r.pid for r in collector.snapshot().requests] == [2, 3]


class TestQueriesWithoutAnswer:
    def ask(self, probe: Probe, ago: float) -> None:
        row = np.zeros((), PENDING)
        row["ts"] = probe.clock_ns - int(ago * 1e9)
        row["parent"], row["op"], row["request_bytes"] = 50, 8, 33
        row["protocol"], row["role"] = ProtocolNumber.DNS, RoleNumber.CLIENT
        probe.pending[len(probe.pending)] = row.tobytes()

    def test_counted_once(self, probe: Probe, collector: Collector) -> None:
        probe.name(8, b"\0\1\1a\0", protocol=ProtocolNumber.DNS)
        probe.flow(50, owner=3, protocol=ProtocolNumber.DNS, transport=17)
        self.ask(probe, ago=6)
        self.ask(probe, ago=1)
        collector.tick()
        row = op(collector)
        assert (row.labels.operation, row.labels.status, row.labels.error) == ("A a", "", True)
        assert (row.count, int(row.hist.sum()), row.slow, row.request_bytes) == (1, 1, 1, 33)
        assert row.duration_ns == 6_000_000_000
        collector.tick()
        assert row.count == 1
        probe.clock_ns += 5_000_000_000
        collector.tick()
        assert row.count == 2
        assert collector.stats()["unanswered"] == 2

    def test_the_flow_is_gone_already(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(recycling=Recycling(idle_seconds=0))
        probe.name(8, b"\0\1\1a\0", protocol=ProtocolNumber.DNS)
        probe.flow(50, owner=3, protocol=ProtocolNumber.DNS, transport=17)
        collector.tick()
        assert probe.tables["flow"].ids == {}
        self.ask(probe, ago=6)
        probe.clock_ns += 1_000_000_000
        collector.tick()
        assert op(collector).labels.workload == WEB

    def test_all_at_the_end(self, probe: Probe, collector: Collector) -> None:
        self.ask(probe, ago=0.1)
        collector.tick(final=True)
        assert op(collector).count == 1


class TestRecycling:
    fast = Recycling(idle_seconds=10, idle_open_seconds=100, pressure=1)

    def later(self, probe: Probe, collector: Collector, seconds: float) -> None:
        probe.clock_ns += int(seconds * 1e9)
        collector.tick()

    def test_idle_slots_go_and_totals_stay(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(recycling=self.fast)
        probe.name(8, b"GET /")
        probe.add_flow(probe.flow(50, owner=3), opened=1, closed=1)
        probe.add_op(probe.op(50, 8))
        collector.tick()
        self.later(probe, collector, 9)
        assert probe.released == 0
        self.later(probe, collector, 1)
        assert probe.released == 2
        assert probe.tables["op"].ids == probe.tables["flow"].ids == {}
        probe.add_flow(probe.flow(50, owner=3), opened=1, closed=1)
        probe.add_op(probe.op(50, 8))
        self.later(probe, collector, 1)
        assert (flow(collector).opened, op(collector).count) == (2, 2)

    def test_open_connections_keep_their_flow_longer(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(recycling=self.fast)
        probe.add_flow(probe.flow(50, owner=3), opened=1)
        collector.tick()
        self.later(probe, collector, 99)
        assert probe.released == 0
        self.later(probe, collector, 1)
        assert probe.released == 1
        assert flow(collector).active == 1
        probe.ring.append(TestEvents().answer())  # would name a new row
        probe.add_flow(probe.flow(50, owner=3), closed=1)
        self.later(probe, collector, 1)
        assert flow(collector).active == 0, "counted where it was opened"

    def test_clients_of_a_udp_server_leave_without_a_word(
        self, probe: Probe, collect: Callable[..., Collector]
    ) -> None:
        collector = collect(recycling=self.fast)
        for _ in range(3):
            slot = probe.flow(50, owner=3, role=RoleNumber.SERVER, transport=17)
            probe.add_flow(slot, opened=1, packets_in=1)
            collector.tick()
            assert flow(collector).active == 1
            self.later(probe, collector, 10)
            assert flow(collector).active == 0
        assert (flow(collector).opened, flow(collector).closed) == (3, 3)

    def test_idle_udp_sockets_of_clients(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(recycling=self.fast)
        probe.add_flow(probe.flow(50, owner=3, transport=17), opened=1)
        collector.tick()
        self.later(probe, collector, 10)
        assert (probe.released, flow(collector).active) == (1, 0)
        probe.add_flow(probe.flow(50, owner=3, transport=17), closed=1)
        self.later(probe, collector, 1)
        assert (flow(collector).active, flow(collector).closed) == (0, 1), "ended once"

    def test_pressure(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        recycling = Recycling(idle_seconds=1000, pressure=0.5, pressure_idle_seconds=2)
        collector = collect(recycling=recycling)
        for key in range(50, 90):
            probe.add_flow(probe.flow(key, owner=3, port=key), opened=1, closed=1)
        collector.tick()
        self.later(probe, collector, 3)
        assert probe.released == 40

    def test_no_more_than_a_batch_at_once(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(recycling=Recycling(idle_seconds=10, pressure=1, batch=15))
        for key in range(50, 90):
            probe.add_flow(probe.flow(key, owner=3, port=key), opened=1, closed=1)
        collector.tick()
        for released in (15, 30, 40):
            self.later(probe, collector, 10)
            assert probe.released == released

    def test_names_and_owners_under_pressure(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(recycling=Recycling(idle_seconds=10, pressure=0.5, pressure_idle_seconds=0))
        probe.flow(50, owner=3)
        for key in range(100, 160):
            probe.name(key, b"GET /x%cx" % (key % 26 + 97))
        for key in range(4, 16):
            probe.owner(key)
        probe.op(50, 100)
        collector.tick()
        assert len(probe.tables["name"].ids) == 1, "the one in use stays"
        assert set(probe.tables["owner"].ids) == {3}
        stats = collector.stats()
        assert stats["name_slots_recycled"] == 59
        assert stats["name_slots_used"] == 1

    def test_operations_go_back_into_the_budget(self, probe: Probe, collect: Callable[..., Collector]) -> None:
        collector = collect(recycling=self.fast)
        probe.slots("owner")["ops_added"][1] = 5
        probe.name(8, b"GET /")
        probe.flow(50, owner=3)
        probe.add_op(probe.op(50, 8))
        probe.add_op(probe.op(50, 1))
        collector.tick()
        self.later(probe, collector, 10)
        assert probe.slots("owner")["ops_removed"][1] == 1, "'other' takes nothing from it"


def test_work_is_per_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full tables: a tick reads the slots that changed, those that changed before, and a few to be sure."""
    probe = Probe(owners=2048, flows=16_384, ops=8_192, names=8_192)
    collector = Collector(probe)
    probe.owner(3)
    for key in range(16_383):
        probe.flow(1000 + key, owner=3, port=key)
    for key in range(8_191):
        probe.name(100_000 + key, b"GET /x%da" % key)
        probe.op(1000 + key % 200, 100_000 + key)
    collector.tick()
    read: list[int] = []
    original = Counters.read_slots

    def counted(self: Counters, slots: Any, now: float) -> Any:
        read.append(len(slots))
        return original(self, slots, now)

    monkeypatch.setattr(Counters, "read_slots", counted)
    audit = 16_384 // 64 + 8_192 // 64 + 2
    collector.tick()
    assert sum(read) <= audit
    for slot in range(1, 201):
        probe.add_flow(slot, opened=1, closed=1, bytes_out=10, packets_out=1)
    for slot in range(1, 101):
        probe.add_op(slot)
    for changed in (300, 300, 0):
        read.clear()
        collector.tick()
        assert changed <= sum(read) <= changed + audit
