"""A simulated probe: the tables of bpf/types.h in plain memory, and a Source over them.

Layouts come from the built probe, as everywhere.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kindling.capture.native import probe_types
from kindling.capture.source import Announce, no_announcement
from kindling.model import EventKind, ProtocolNumber, RoleNumber
from kindling.model.histogram import bucket
from kindling.wire.layout import struct_dtype

U8, U32, U64 = np.uint8, np.uint32, np.uint64


def dtype(structure: str) -> np.dtype[np.void]:
    return struct_dtype(probe_types(), structure)


EVENT_HEAD = dtype("event_head")
EVENT_REQUEST = dtype("event_request")
EVENT_FAILURE = dtype("event_failure")
EVENT_DNS = dtype("event_dns")
PENDING = dtype("pending")
FLOW = dtype("flow_slot")
OP = dtype("op_slot")


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
        step: Callable[[], None] = lambda: None,
    ) -> None:
        """`step` is called between any two things that user space does to the tables: raising there is being killed."""
        sizes = {"owner": owners, "flow": flows, "op": ops, "name": names}
        self.tables = {name: Table(dtype(f"{name}_slot"), size) for name, size in sizes.items()}
        self.losses: dict[str, int] = {}
        self.ring: list[bytes] = []
        self.pending: dict[int, bytes] = {}
        self.clock_ns = 1_000_000_000_000
        self.grace = grace
        self.step = step
        self.identity = "maps 1"
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
            row["key"]["comm"] = comm
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
        return dtype(struct)

    def lost(self) -> dict[str, int]:
        return dict(self.losses)

    def events(self) -> Iterable[bytes]:
        events, self.ring = self.ring, []
        return events

    def release(self, table: str, slots: Sequence[int], ids: Sequence[int], fold: Callable[[], None]) -> None:
        at = self.tables[table]
        for key in ids:
            self.step()
            del at.ids[key]
        self.step()
        self.grace()  # whoever found a slot by its id is done, and remembers the old generation
        for slot in slots:
            self.step()
            at.slots["head"]["gen"][slot] += U32(1)
        self.step()
        self.grace()  # whoever remembered a slot has seen the new generation, or is done
        self.step()
        fold()
        for slot in slots:
            self.zero(table, slot)
        for slot in slots:
            self.step()
            at.free.append(slot)
        self.step()
        self.released += len(slots)

    def zero(self, table: str, slot: int) -> None:
        """All but the generation, in two halves of which either may come first."""
        at = self.tables[table].slots
        raw = at.view(U8).reshape(len(at), at.dtype.itemsize)
        half = 4 + (at.dtype.itemsize - 4) // 2
        halves = [slice(half, None), slice(4, half)]
        for part in halves if slot % 2 else reversed(halves):
            self.step()
            raw[slot, part] = 0

    def expire_queries(self, older_than_ns: int, announce: Announce = no_announcement) -> list[bytes]:
        old = [(k, p) for k, p in self.pending.items() if int.from_bytes(p[:8], "little") < older_than_ns]
        if old:
            announce(old)
        for key, _ in old:
            self.step()
            del self.pending[key]
        self.step()
        return [entry for _, entry in old]

    # --- LastingSource ----------------------------------------------------------------------

    def interrupted(self, table: str) -> list[int]:
        at = self.tables[table]
        live = np.flatnonzero(at.slots["head"]["live"]).tolist()
        return [slot for slot in live if slot and at.ids.get(int(at.slots["head"]["id"][slot])) != slot]

    def audit(self) -> int:
        found = 0
        for name, table in self.tables.items():
            for slot in range(1, len(table.slots)):
                if slot not in table.free and not table.slots["head"]["live"][slot]:
                    self.zero(name, slot)
                    self.step()
                    table.free.append(slot)
                    found += 1
        return found

    def find_query(self, key: int) -> bytes | None:
        return self.pending.get(key)

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
