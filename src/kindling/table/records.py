"""What the journal holds: everything that the probe's tables alone cannot tell again.

A *vector* says how much of which counter: column of the slot's counters to amount. Columns bear names in the
journal's head, so that totals outlive another layout.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from kindling.model.labels import FlowLabels, OpLabels
from kindling.model.workload import Workload

VERSION: Final = 1
"""Raised whenever an older journal can no longer be read."""

FLOW: Final = 0
OP: Final = 1

Vector = dict[int, int]


class Head(Struct, frozen=True, array_like=True, tag=0):
    """First record of every journal."""

    version: int
    boot: str
    """Of the kernel: after a reboot everything starts anew."""
    probe: str
    """Which maps the slots below are those of; "" after a stop that left nothing in the kernel."""
    since: float
    flow_columns: list[str]
    op_columns: list[str]


class FlowRecord(Struct, frozen=True, array_like=True, tag=1):
    """A row, with what was counted in it up to here. Number 0 is the row "other"."""

    number: int
    labels: FlowLabels
    first_seen: float
    last_seen: float
    totals: Vector
    last: tuple[int, int, str, str]
    """srtt_us, rtt_min_us, tls_version, alpn"""


class OpRecord(Struct, frozen=True, array_like=True, tag=2):
    number: int
    labels: OpLabels
    first_seen: float
    last_seen: float
    totals: Vector


class Bound(Struct, frozen=True, array_like=True, tag=3):
    """A slot stands for a row. What the slot counted up to `base` is in the row's totals already.

    Slot and generation name a life of a slot: the generation only grows.
    """

    table: int
    slot: int
    gen: int
    id: int
    parent: int
    row: int
    base: Vector = {}


class Moved(Struct, frozen=True, array_like=True, tag=4):
    """From here on the slot counts for another row."""

    table: int
    slot: int
    gen: int
    row: int
    at: Vector
    """What the slot held then."""


class Folded(Struct, frozen=True, array_like=True, tag=5):
    """A slot was read a last time and will be zeroed."""

    table: int
    slot: int
    gen: int
    """Of the time when it was bound."""
    at: Vector
    """What it held."""
    seen: float
    """Unix seconds of its last change."""
    added: Vector = {}
    """Counted besides: UDP conversations that were closed for being idle."""
    last: tuple[int, int, str, str] = (0, 0, "", "")


class Open(Struct, frozen=True, array_like=True, tag=6):
    """A flow has no slot but open connections: they will be counted closed in this row."""

    flow: int
    row: int


class Added(Struct, frozen=True, array_like=True, tag=7):
    """Counted in a row by user space."""

    table: int
    row: int
    added: Vector


class Gone(Struct, frozen=True, array_like=True, tag=8):
    """Rows that were forgotten."""

    table: int
    rows: list[int]


class Text(Struct, frozen=True, array_like=True, tag=9):
    """What an id of a name stands for, though its slot may be gone."""

    id: int
    kind: int
    protocol: int
    text: bytes


class Who(Struct, frozen=True, array_like=True, tag=10):
    """Who is behind an owner's id, though the process may be gone."""

    owner: int
    workload: Workload


class Kin(Struct, frozen=True, array_like=True, tag=11):
    """Labels under which operations of a parent are counted, though it has no slot."""

    parent: int
    labels: FlowLabels


class Taking(Struct, frozen=True, array_like=True, tag=12):
    """Queries that are about to be taken out of the kernel, unanswered: key, time asked, row, what to add to it."""

    queries: list[tuple[int, int, int, Vector]]


class Taken(Struct, frozen=True, array_like=True, tag=13):
    """They are taken out, and what was added stands before this."""

    count: int


class Lost(Struct, frozen=True, array_like=True, tag=14):
    """Losses of the tables in user space, and since when any cause is known."""

    counts: dict[str, int]
    since: dict[str, float]
    unanswered: int


class Answer(Struct, frozen=True, array_like=True, tag=15):
    """A DNS answer that named addresses."""

    workload: Workload | None
    name: str
    addresses: list[tuple[str, int]]
    """Address, TTL in seconds."""
    time: float


Record = (
    Head
    | FlowRecord
    | OpRecord
    | Bound
    | Moved
    | Folded
    | Open
    | Added
    | Gone
    | Text
    | Who
    | Kin
    | Taking
    | Taken
    | Lost
    | Answer
)
