"""Rows of the live tables: labels and totals. The collector writes them, exporters read them.

A total is the sum of what was read from every slot of the probe that ever had these labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kindling.model.codes import FAILURE_NAMES
from kindling.model.histogram import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from kindling.model.labels import FlowLabels, OpLabels


class FlowRow:
    """Connections between a workload and a remote endpoint. Times are unix seconds."""

    __slots__ = (
        "active",
        "alpn",
        "answering",
        "bytes_in",
        "bytes_out",
        "closed",
        "closed_reset",
        "connect_count",
        "connect_ns",
        "duration_ns",
        "failed",
        "first_seen",
        "labels",
        "last_seen",
        "number",
        "opened",
        "packets_in",
        "packets_out",
        "resets_in",
        "resets_out",
        "retransmits",
        "rtt_min_us",
        "srtt_us",
        "tls_version",
        "unsettled",
    )

    def __init__(self, labels: FlowLabels, now: float) -> None:
        self.labels = labels
        self.answering: Callable[[FlowLabels], tuple[str, ...]] | None = None
        """Tells who was seen to answer behind a service: see `kindling.table.peering.Peers`."""
        self.number = 0
        """By which the journal knows the row, see `kindling.table.records`."""
        self.first_seen = now
        self.last_seen = now
        self.opened = 0
        self.unsettled = 0
        """Established, protocol not known yet: not in `opened`, but active."""
        self.active = 0
        """opened + unsettled - closed"""
        self.closed = 0
        self.closed_reset = 0
        self.failed: dict[str, int] = dict.fromkeys(FAILURE_NAMES, 0)
        self.connect_ns = 0
        self.connect_count = 0
        self.duration_ns = 0
        """Sum over closed connections."""
        self.bytes_out = 0
        self.bytes_in = 0
        self.packets_out = 0
        self.packets_in = 0
        self.retransmits = 0
        self.resets_out = 0
        self.resets_in = 0
        self.srtt_us = 0
        self.rtt_min_us = 0
        self.tls_version = ""
        self.alpn = ""

    @property
    def failures(self) -> int:
        """Connections that did not come to be, for whatever reason."""
        return sum(self.failed.values())


class OpRow:
    """Requests of one operation with one status. Times are unix seconds."""

    __slots__ = (
        "count",
        "duration_ns",
        "first_seen",
        "hist",
        "labels",
        "last_seen",
        "number",
        "receive_ns",
        "request_bytes",
        "response_bytes",
        "send_ns",
        "slow",
        "wait_ns",
    )

    def __init__(self, labels: OpLabels, now: float) -> None:
        import numpy as np  # not at the top: commands that only ask an agent would wait for it

        self.labels = labels
        self.number = 0
        """By which the journal knows the row, see `kindling.table.records`."""
        self.first_seen = now
        self.last_seen = now
        self.count = 0
        """Sum of `hist`."""
        self.slow = 0
        self.duration_ns = 0
        """send + wait + receive"""
        self.send_ns = 0
        self.wait_ns = 0
        self.receive_ns = 0
        self.request_bytes = 0
        self.response_bytes = 0
        self.hist: NDArray[np.uint64] = np.zeros(BUCKETS, np.uint64)
        """Durations; bounds in `kindling.model.histogram`."""
