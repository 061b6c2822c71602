"""Queries over UDP that nobody answered.

The probe deletes a query when its answer comes, user space when it waited too long: whoever
deletes it counts it, so each query is counted once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kindling.protocols import by_number
from kindling.table.ops import add_unanswered

if TYPE_CHECKING:
    from kindling.capture.source import Source
    from kindling.table.clock import Moment
    from kindling.table.ops import OpTable

_SECOND: Final = 1_000_000_000
_NO_ANSWER: Final = 0


class Queries:
    def __init__(self, source: Source, ops: OpTable, timeout: float) -> None:
        self.unanswered = 0
        self._source = source
        self._ops = ops
        self._timeout_ns = int(timeout * _SECOND)
        self._dtype = source.dtype("pending")
        self._next_ns = 0

    def expire(self, moment: Moment, *, final: bool = False) -> None:
        """Counts what waited for too long. Looks once a second at most: each look is a system call.

        `final`: no answer can come any more, whatever is in flight stays unanswered.
        """
        if final:
            self._expire(moment.probe_ns + 1, moment)
        elif moment.probe_ns >= self._next_ns:
            self._next_ns = moment.probe_ns + _SECOND
            self._expire(moment.probe_ns - self._timeout_ns, moment)

    def _expire(self, asked_before_ns: int, moment: Moment) -> None:
        for entry in self._source.expire_queries(asked_before_ns):
            self._count(np.frombuffer(bytes(entry), self._dtype, 1)[0], moment)

    def _count(self, pending: Any, moment: Moment) -> None:
        protocol = int(pending["protocol"])
        row = self._ops.row(
            int(pending["parent"]),
            int(pending["op"]),
            _NO_ANSWER,
            protocol,
            int(pending["role"]),
            moment.unix,
        )
        waited = max(0, moment.probe_ns - int(pending["ts"]))
        slow_ns = by_number(protocol).slow_ns
        add_unanswered(row, waited, int(pending["request_bytes"]), slow_ns, moment.unix)
        self.unanswered += 1
