"""A simulated probe: the tables of bpf/types.h in plain memory, and a Source over them.

Layouts are written by hand here, and nowhere else, so that the table's tests need no compiler.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kindling.model import EventKind, ProtocolNumber, RoleNumber
from kindling.model.histogram import BUCKETS, bucket

U8, U16, U32, U64 = np.uint8, np.uint16, np.uint32, np.uint64

HEAD = np.dtype([("gen", U32), ("live", U32), ("id", U64)], align=True)
OWNER_KEY = np.dtype([("cgroup", U64), ("netns", U64), ("comm", U8, 16)], align=True)
OWNER = np.dtype(
    [
        ("head", HEAD),
        ("key", OWNER_KEY),
        ("tgid", U32),
        ("uid", U32),
        ("ops_added", U32),
        ("ops_removed", U32),
    ],
    align=True,
)
FLOW_KEY = np.dtype(
    [
        ("owner", U64),
        ("name", U64),
        ("local", U32, 4),
        ("remote", U32, 4),
        ("port", U16),
        ("role", U8),
        ("transport", U8),
        ("protocol", U8),
        ("inferred", U8),
        ("pad", U16),
    ],
    align=True,
)
FLOW = np.dtype(
    [
        ("head", HEAD),
        ("key", FLOW_KEY),
        ("parent", U64),
        ("opened", U64),
        ("unsettled", U64),
        ("closed", U64),
        ("closed_reset", U64),
        ("failed", U64, 6),
        ("connect_ns", U64),
        ("connect_count", U64),
        ("duration_ns", U64),
        ("bytes_out", U64),
        ("bytes_in", U64),
        ("packets_out", U64),
        ("packets_in", U64),
        ("retransmits", U64),
        ("resets_out", U64),
        ("resets_in", U64),
        ("srtt_us", U32),
        ("rtt_min_us", U32),
        ("tls_version", U8),
        ("alpn", U8),
        ("pad", U16),
        ("pad2", U32),
    ],
    align=True,
)
OP = np.dtype(
    [
        ("head", HEAD),
        ("parent", U64),
        ("op", U64),
        ("status", U16),
        ("protocol", U8),
        ("role", U8),
        ("pad", U32),
        ("slow", U64),
        ("duration_ns", U64),
        ("send_ns", U64),
        ("wait_ns", U64),
        ("receive_ns", U64),
        ("request_bytes", U64),
        ("response_bytes", U64),
        ("pad2", U64, 3),
        ("hist", U64, BUCKETS),
    ],
    align=True,
)
NAME = np.dtype(
    [
        ("head", HEAD),
        ("kind", U8),
        ("protocol", U8),
        ("len", U16),
        ("pad", U32),
        ("text", U8, 232),
    ],
    align=True,
)
EVENT_HEAD = np.dtype(
    [
        ("kind", U16),
        ("size", U16),
        ("tgid", U32),
        ("ts", U64),
        ("owner", U64),
        ("flow", U64),
        ("local", U32, 4),
        ("remote", U32, 4),
        ("local_port", U16),
        ("remote_port", U16),
        ("role", U8),
        ("transport", U8),
        ("protocol", U8),
        ("pad", U8),
    ],
    align=True,
)
EVENT_REQUEST = np.dtype(
    [
        ("head", EVENT_HEAD),
        ("op", U64),
        ("send_ns", U64),
        ("wait_ns", U64),
        ("receive_ns", U64),
        ("request_bytes", U64),
        ("response_bytes", U64),
        ("status", U16),
        ("slow", U8),
        ("request_len", U8),
        ("pad", U32),
        ("request_head", U8, 64),
    ],
    align=True,
)
EVENT_FAILURE = np.dtype([("head", EVENT_HEAD), ("duration_ns", U64), ("reason", U32), ("pad", U32)], align=True)
EVENT_DNS = np.dtype([("head", EVENT_HEAD), ("len", U32), ("full_len", U32), ("message", U8, 1024)], align=True)
PENDING = np.dtype(
    [
        ("ts", U64),
        ("parent", U64),
        ("flow", U64),
        ("op", U64),
        ("owner", U64),
        ("request_bytes", U32),
        ("protocol", U8),
        ("role", U8),
        ("pad", U16),
    ],
    align=True,
)

DTYPES: dict[str, np.dtype[np.void]] = {
    "owner": OWNER,
    "flow": FLOW,
    "op": OP,
    "name": NAME,
    "owner_slot": OWNER,
    "flow_slot": FLOW,
    "op_slot": OP,
    "name_slot": NAME,
    "event_head": EVENT_HEAD,
    "event_request": EVENT_REQUEST,
    "event_failure": EVENT_FAILURE,
    "event_dns": EVENT_DNS,
    "pending": PENDING,
}


def address(text: str) -> NDArray[np.uint32]:
    """Sixteen bytes in network order, IPv4 as v4-mapped."""
    ip = ipaddress.ip_address(text)
    packed = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    return np.frombuffer(packed, U32)


class Table:
    """ids, slots and free numbers, as maps.h declares them."""

    def __init__(self, dtype: np.dtype[np.void], size: int) -> None:
        self.ids: dict[int, int] = {}
        self.slots: NDArray[np.void] = np.zeros(size, dtype)
        self.free: deque[int] = deque(range(1, size))

    def find(self, key: int) -> int:
        return self.ids.get(key, 0)

    def take(self) -> int:
        try:
            return self.free.popleft()
        except IndexError:
            return 0

    def publish(self, key: int, slot: int) -> int:
        self.slots["head"]["id"][slot] = key
        winner = self.ids.setdefault(key, slot)
        if winner != slot:
            self.free.append(slot)
            return winner
        self.slots["head"]["live"][slot] = 1
        return slot

    def gen(self, slot: int) -> int:
        return int(self.slots["head"]["gen"][slot])


class Probe:
    """The simulated kernel side, and the Source over it.

    `grace` is called where the kernel waits for running programs.
    """

    def __init__(
        self,
        *,
        owners: int = 16,
        flows: int = 64,
        ops: int = 64,
        names: int = 64,
        grace: Callable[[], None] = lambda: None,
    ) -> None:
        sizes = {"owner": owners, "flow": flows, "op": ops, "name": names}
        self.tables = {name: Table(DTYPES[name], size) for name, size in sizes.items()}
        self.losses: dict[str, int] = {}
        self.ring: list[bytes] = []
        self.pending: list[bytes] = []
        self.clock_ns = 1_000_000_000_000
        self.grace = grace
        self.released = 0

    # --- what the kernel does ---------------------------------------------------------------

    def lose(self, cause: str) -> None:
        self.losses[cause] = self.losses.get(cause, 0) + 1

    def owner(self, key: int, comm: bytes = b"curl", tgid: int = 100, cgroup: int = 7) -> int:
        table = self.tables["owner"]
        if not table.find(key):
            slot = table.take()
            row: Any = table.slots[slot]
            row["key"]["cgroup"] = cgroup
            row["key"]["comm"][: len(comm)] = np.frombuffer(comm, U8)
            row["tgid"] = tgid
            table.publish(key, slot)
        return key

    def name(self, key: int, text: bytes, kind: int = 1, protocol: int = ProtocolNumber.HTTP1) -> int:
        table = self.tables["name"]
        if not table.find(key):
            slot = table.take()
            row: Any = table.slots[slot]
            row["kind"], row["protocol"], row["len"] = kind, protocol, len(text)
            row["text"][: len(text)] = np.frombuffer(text, U8)
            table.publish(key, slot)
        return key

    def flow(
        self,
        key: int,
        *,
        owner: int = 0,
        name: int = 0,
        local: str = "10.0.0.1",
        remote: str = "192.0.2.9",
        port: int = 80,
        role: int = RoleNumber.CLIENT,
        transport: int = 6,
        protocol: int = ProtocolNumber.HTTP1,
        inferred: int = 0,
        parent: int | None = None,
    ) -> int:
        """The number of the flow's slot; made where there is none."""
        table = self.tables["flow"]
        if found := table.find(key):
            return found
        slot = table.take()
        if not slot:
            self.lose("flow_full")
            return 0
        row: Any = table.slots[slot]
        k = row["key"]
        k["owner"], k["name"], k["port"], k["role"] = owner, name, port, role
        k["transport"], k["protocol"], k["inferred"] = transport, protocol, inferred
        k["local"], k["remote"] = address(local), address(remote)
        row["parent"] = key if parent is None else parent
        return table.publish(key, slot)

    def op(
        self,
        parent: int,
        op: int,
        status: int = 200,
        *,
        protocol: int = ProtocolNumber.HTTP1,
        role: int = RoleNumber.CLIENT,
    ) -> int:
        """The number of the operation's slot; made where there is none."""
        table = self.tables["op"]
        key = hash((parent, op, status, protocol)) & (1 << 63) - 1 | 2
        if found := table.find(key):
            return found
        slot = table.take()
        if not slot:
            self.lose("op_full")
            return 0
        row: Any = table.slots[slot]
        row["parent"], row["op"], row["status"] = parent, op, status
        row["protocol"], row["role"] = protocol, role
        return table.publish(key, slot)

    def add_flow(self, slot: int, **counters: int) -> None:
        slots: Any = self.tables["flow"].slots
        for name, value in counters.items():
            if name in {"srtt_us", "rtt_min_us", "tls_version", "alpn"}:
                slots[name][slot] = value
            elif name.startswith("failed"):
                slots["failed"][slot, int(name[6:])] += U64(value)
            else:
                slots[name][slot : slot + 1] += U64(value & (1 << 64) - 1)  # arrays wrap silently

    def add_op(self, slot: int, duration_ns: int = 1_000_000, request_bytes: int = 100) -> None:
        slots: Any = self.tables["op"].slots
        slots["hist"][slot, bucket(duration_ns)] += U64(1)
        slots["duration_ns"][slot] += U64(duration_ns)
        slots["wait_ns"][slot] += U64(duration_ns)
        slots["request_bytes"][slot] += U64(request_bytes)

    # --- Source -----------------------------------------------------------------------------

    def slots(self, table: str) -> NDArray[np.void]:
        return self.tables[table].slots

    def dtype(self, struct: str) -> np.dtype[np.void]:
        return DTYPES[struct]

    def lost(self) -> dict[str, int]:
        return dict(self.losses)

    def events(self) -> Iterable[bytes]:
        events, self.ring = self.ring, []
        return events

    def release(self, table: str, slots: Sequence[int], ids: Sequence[int], fold: Callable[[], None]) -> None:
        at = self.tables[table]
        for key in ids:
            del at.ids[key]
        for slot in slots:
            at.slots["head"]["gen"][slot] += U32(1)
        self.grace()
        fold()
        for slot in slots:
            gen = at.gen(slot)
            at.slots[slot] = np.zeros((), at.slots.dtype)
            at.slots["head"]["gen"][slot] = gen
        at.free.extend(slots)
        self.released += len(slots)

    def expire_queries(self, older_than_ns: int) -> list[bytes]:
        old = [p for p in self.pending if int.from_bytes(p[:8], "little") < older_than_ns]
        self.pending = [p for p in self.pending if p not in old]
        return old

    def refill(self) -> None:
        pass

    def now(self) -> int:
        return self.clock_ns

    def close(self) -> None:
        pass


def event(kind: EventKind, dtype: np.dtype[np.void], **fields: Any) -> bytes:
    """An event; fields of its head and its own by name."""
    row: Any = np.zeros((), dtype)
    row["head"]["kind"] = kind
    row["head"]["size"] = dtype.itemsize
    for name, value in fields.items():
        part = row["head"] if name in (EVENT_HEAD.names or ()) else row
        if isinstance(value, bytes):
            part[name][: len(value)] = np.frombuffer(value, U8)
        elif isinstance(value, str):
            part[name] = address(value)
        else:
            part[name] = value
    return bytes(row.tobytes())
