"""All that is known at one moment: what exporters read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kindling.model.dns import DnsAnswer
    from kindling.model.events import FailureEvent, RequestEvent
    from kindling.model.rows import FlowRow, OpRow


@dataclass(slots=True)
class Snapshot:
    """Rows are the collector's own, not copies: read them between two ticks only."""

    time: float
    """Unix seconds of the last tick."""
    since: float
    """Unix seconds from which on everything was counted."""
    flows: list[FlowRow] = field(default_factory=list)
    ops: list[OpRow] = field(default_factory=list)
    requests: deque[RequestEvent] = field(default_factory=deque)
    """Newest last; bounded."""
    failures: deque[FailureEvent] = field(default_factory=deque)
    answers: deque[DnsAnswer] = field(default_factory=deque)
    lost: dict[str, int] = field(default_factory=dict)
    """Cause -> how often; only those that ever happened. Causes: LOST_REASONS, and the tables' own."""
    lost_since: dict[str, float] = field(default_factory=dict)
    """Cause -> unix seconds of the first loss."""
    stats: dict[str, float] = field(default_factory=dict)
    """Gauges and counters of the tables: fill of slots, rows, caches, recycled slots, tick time."""
    node_ip: str = ""
    """By which a cluster knows this node, or ""."""
