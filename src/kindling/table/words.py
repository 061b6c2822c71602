"""Counters of a slot, by column, as totals of a row, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from kindling.model.codes import FAILURE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kindling.model.rows import FlowRow, OpRow
    from kindling.table.records import Vector


class Columns(Protocol):
    """`kindling.table.counters.Counters`"""

    def column(self, name: str) -> int: ...

    def columns(self, name: str) -> range: ...


#: Counters of a flow's slot that are attributes of a row by the same name.
_FLOW_SUMS: Final = (
    "opened",
    "closed",
    "closed_reset",
    "connect_ns",
    "connect_count",
    "duration_ns",
    "bytes_out",
    "bytes_in",
    "packets_out",
    "packets_in",
    "retransmits",
    "resets_out",
    "resets_in",
)

#: The same of an operation's.
_OP_SUMS: Final = (
    "slow",
    "duration_ns",
    "send_ns",
    "wait_ns",
    "receive_ns",
    "request_bytes",
    "response_bytes",
)


class FlowWords:
    def __init__(self, counters: Columns) -> None:
        self.opened = counters.column("opened")
        self.closed = counters.column("closed")
        self.unsettled = counters.column("unsettled")
        self._columns = [(name, counters.column(name)) for name in _FLOW_SUMS]
        self._failed = list(zip(FAILURE_NAMES, counters.columns("failed"), strict=True))

    def add(self, row: FlowRow, words: Sequence[int]) -> None:
        """Add to the row's totals; who is done with adding balances it (`balance`)."""
        for name, column in self._columns:
            if words[column]:
                setattr(row, name, getattr(row, name) + words[column])
        for reason, column in self._failed:
            if words[column]:
                row.failed[reason] += words[column]
        row.unsettled += signed(words[self.unsettled])

    def begun(self, words: Sequence[int]) -> int:
        """Connections that were established, settled or not; below 0 where they settle under another slot."""
        return words[self.opened] + signed(words[self.unsettled])

    def totals(self, row: FlowRow) -> Vector:
        totals = {column: getattr(row, name) for name, column in self._columns}
        totals.update({column: row.failed[reason] for reason, column in self._failed})
        totals[self.unsettled] = row.unsettled
        return {column: total for column, total in totals.items() if total}


class OpWords:
    def __init__(self, counters: Columns) -> None:
        self._columns = [(name, counters.column(name)) for name in _OP_SUMS]
        hist = counters.columns("hist")
        self.hist = slice(hist.start, hist.stop)

    def add(self, row: OpRow, words: Sequence[int], buckets: NDArray[np.uint64], count: int) -> None:
        """Add to the row's totals: sums by column, the histogram, and how many requests that is."""
        row.count += count
        row.hist += buckets
        for name, column in self._columns:
            if words[column]:
                setattr(row, name, getattr(row, name) + words[column])

    def add_vector(self, row: OpRow, words: Sequence[int]) -> None:
        buckets = np.array(words[self.hist], np.uint64)
        self.add(row, words, buckets, sum(words[self.hist]))

    def totals(self, row: OpRow) -> Vector:
        totals = {column: getattr(row, name) for name, column in self._columns}
        totals.update(enumerate(row.hist.tolist(), self.hist.start))
        return {column: total for column, total in totals.items() if total}

    def one(self, hist_bucket: int, **sums: int) -> Vector:
        """One request."""
        columns = dict(self._columns)
        vector = {columns[name]: amount for name, amount in sums.items() if amount}
        vector[self.hist.start + hist_bucket] = 1
        return vector


def signed(word: int) -> int:
    """A gauge's difference modulo 2^64; what is negative already stays so."""
    return word - (1 << 64) if word >> 63 > 0 else word


def balance(row: FlowRow) -> int:
    """How many are active. A UDP socket may be closed after its conversation was ended for idleness: such a close is
    taken back, and how many there were is returned.
    """
    row.active = row.opened + row.unsettled - row.closed
    if row.active < 0 and row.labels.transport == "udp":
        taken_back = -row.active
        row.closed -= taken_back
        row.active = 0
        return taken_back
    return 0


def last_of(row: FlowRow) -> tuple[int, int, str, str]:
    """What of a flow's row is not a sum."""
    return (row.srtt_us, row.rtt_min_us, row.tls_version, row.alpn)
