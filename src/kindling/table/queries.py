"""Queries over UDP that nobody answered.

The probe deletes a query when its answer comes, user space when it waited too long: whoever
deletes it counts it, so each query is counted once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kindling.table.records import Taken, Taking, Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kindling.capture.source import Source
    from kindling.table.clock import Moment
    from kindling.table.journal import Journal
    from kindling.table.ops import OpTable

_SECOND: Final = 1_000_000_000
_NO_ANSWER: Final = 0


class Queries:
    def __init__(self, source: Source, ops: OpTable, timeout: float, journal: Journal) -> None:
        self.unanswered = 0
        self._source = source
        self._ops = ops
        self._journal = journal
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
        def announce(queries: Sequence[tuple[int, bytes]]) -> None:
            """Before any is taken: a process that is killed in between cannot tell what it took."""
            self._journal.put(Taking([(key, *self._judge(entry, moment)) for key, entry in queries]))
            self._journal.commit()

        taken = self._source.expire_queries(asked_before_ns, announce)
        for entry in taken:
            _, row, added = self._judge(entry, moment)
            self._ops.add(row, added, moment.unix)
            self.unanswered += 1
        if taken:
            self._journal.put(Taken(len(taken)))
            self._journal.commit()

    def _judge(self, entry: bytes, moment: Moment) -> tuple[int, int, Vector]:
        """When it was asked, number of the row it belongs to, what is to be added there."""
        pending: Any = np.frombuffer(bytes(entry), self._dtype, 1)[0]
        protocol, asked = int(pending["protocol"]), int(pending["ts"])
        row = self._ops.row(
            int(pending["parent"]),
            int(pending["op"]),
            _NO_ANSWER,
            protocol,
            int(pending["role"]),
            moment.unix,
        )
        waited = max(0, moment.probe_ns - asked)
        return asked, row.number, self._ops.unanswered(protocol, waited, int(pending["request_bytes"]))

    def resume(
        self, taking: Sequence[tuple[int, int, int, Vector]], find: Callable[[int], bytes | None], now: float
    ) -> None:
        """Count what another process had taken out when it was killed: those that are no longer there."""
        before = self.unanswered
        for key, asked, row, added in taking:
            entry: Any = find(key)
            if entry is None or int(np.frombuffer(entry, self._dtype, 1)[0]["ts"]) != asked:
                self._ops.add(row, added, now)
                self.unanswered += 1
        if taking:
            self._journal.put(Taken(self.unanswered - before))
