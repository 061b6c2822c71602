"""Whatever happens to rows and agents, the list adds up to what was counted."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import CURL, NGINX, NOON, flow
from kindling.inventory.identity import row_key
from kindling.inventory.store import Extras, Store
from kindling.inventory.watching import Watched
from kindling.model import FlowRow
from unit.inventory.store_factory import records, store

PEERS = [
    {"name": name, "port": port, "remote_ip": ip, "workload": who, "evidence": evidence}
    for name, ip, evidence in (
        ("a.example", "192.0.2.1", "sni"),
        ("a.example", "192.0.2.2", "dns"),
        ("", "192.0.2.3", "address"),
    )
    for port in (80, 443)
    for who in (CURL, NGINX)
]

Key = tuple[str, str, int]


@dataclass
class World:
    """The live table, the agent's store, and a model that simply adds."""

    folder: Path
    rows: dict[int, FlowRow] = field(default_factory=dict)
    changed: dict[int, FlowRow] = field(default_factory=dict)
    connections: Counter[Key] = field(default_factory=Counter)
    failed: Counter[Key] = field(default_factory=Counter)
    octets: Counter[Key] = field(default_factory=Counter)
    clock: float = NOON
    boots: int = 0
    kept: Store = field(init=False)

    def __post_init__(self) -> None:
        self.kept = self.open()

    def open(self) -> Store:
        return store(self.folder, boot=f"boot-{self.boots}", max_addresses=1)

    def grow(self, peer: int, opened: int, refused: int, octets: int) -> None:
        self.clock += 1
        row = self.rows.get(peer)
        if row is None:
            row = self.rows[peer] = flow(**PEERS[peer])
            row.first_seen = self.clock
        row.opened += opened
        row.failed["refused"] += refused
        row.bytes_in += octets
        row.last_seen = self.clock
        self.changed[id(row)] = row
        key = (row.labels.workload.name, row.labels.name or row.labels.remote_ip, row.labels.port)
        self.connections[key] += opened
        self.failed[key] += refused
        self.octets[key] += octets

    def write(self, *, partly: bool) -> None:
        rows = list(self.changed.values())
        rows = rows[: len(rows) // 2] if partly else rows
        assert self.kept.write(rows, Extras(Watched(self.clock, NOON))) is not None
        for row in rows:
            del self.changed[id(row)]

    def fail(self) -> None:
        """A transaction that never ends: as when the agent is killed within it."""
        database = self.kept._open()
        try:
            with database.transaction() as connection:
                self.kept._write(connection, list(self.changed.values()), Extras())
                raise InterruptedError
        except InterruptedError:
            pass

    def restart(self) -> None:
        """The probe counted on: rows are as they were, and all are looked at."""
        self.kept.close()
        self.kept = self.open()
        self.changed |= {id(row): row for row in self.rows.values()}

    def reboot(self) -> None:
        """What was not written is gone with the kernel: so write first. All rows begin anew."""
        self.write(partly=False)
        self.kept.close()
        self.boots += 1
        self.kept = self.open()
        self.rows, self.changed = {}, {}

    def expire(self, peer: int) -> None:
        self.rows.pop(peer, None)  # what it counted last is in `changed`

    def check(self) -> None:
        found = {(r["workload"], r["destination"], r["port"]): r for r in records(self.kept, self.changed.values())}
        counted = {key for key in self.connections if self.connections[key] + self.failed[key] + self.octets[key]}
        assert set(found) == counted
        for key in counted:
            record = found[key]
            assert record["connections"] == self.connections[key] == sum(record["connections_by_evidence"].values())
            assert record["failures"] == self.failed[key]
            assert record["bytes_in"] == self.octets[key]
            assert record["first_seen"] <= record["last_seen"]


peers = st.integers(0, len(PEERS) - 1)
steps = st.one_of(
    st.tuples(st.just("grow"), peers, st.integers(0, 3), st.integers(0, 2), st.integers(0, 10**12)),
    st.tuples(st.just("expire"), peers),
    st.tuples(st.sampled_from(["write", "part", "fail", "restart", "reboot", "check"])),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=40))
def test_any_sequence_adds_up(sequence: list[tuple[str, int, int, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for step, *values in sequence:
            match step:
                case "grow":
                    world.grow(*values)
                case "expire":
                    world.expire(*values)
                case "write" | "part":
                    world.write(partly=step == "part")
                case "fail":
                    world.fail()
                case "restart":
                    world.restart()
                case "reboot":
                    world.reboot()
                case _:
                    world.check()
        world.check()
        world.kept.close()


def test_keys_tell_rows_apart_and_nothing_else() -> None:
    one = flow()
    assert row_key(one) == row_key(flow(scope="private", network="office", opened=3))
    others = [
        flow(name="example.com"),
        flow(evidence="dns"),
        flow(port=80),
        flow(inferred=True),
        flow(workload=NGINX),
        flow(local_ip="192.0.2.11"),
        flow(protocol="unknown"),
        flow(transport="udp"),
    ]
    later = flow()
    later.first_seen += 1e-6
    assert len({row_key(row) for row in (one, later, *others)}) == 2 + len(others)


_VICTIM = """
import sys
from pathlib import Path
from factories import flow
from unit.inventory.store_factory import store
kept = store(Path(sys.argv[1]))
rows = [flow(name=f"host-{i}.example") for i in range(50)]
start = int(sys.argv[2])
for row in rows:
    row.opened = start
print("ready", flush=True)
n = start
while True:
    n += 1
    for row in rows:
        row.opened = n
    assert kept.write(rows) is not None
    print(n, flush=True)
"""


def test_kill_9_in_the_middle_neither_doubles_nor_loses(tmp_path: Path) -> None:
    path = ":".join(each for each in sys.path if each)
    counted = 0
    for _ in range(4):
        command = [sys.executable, "-c", _VICTIM, str(tmp_path), str(counted)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": path}) as victim:
            assert victim.stdout
            said = [victim.stdout.readline() for _ in range(12)]
            victim.send_signal(signal.SIGKILL)
            said += victim.stdout.readlines()
        counted = int([line for line in said if line.endswith("\n")][-1])
        kept = store(tmp_path)
        rows = [flow(name=f"host-{i}.example", opened=counted + 1) for i in range(50)]
        # the victim may have committed one more than it said; then this adds nothing
        assert {each["connections"] for each in records(kept, rows)} == {counted + 1}
        kept.close()
