"""Names of addresses, from the DNS answers that were seen.

Better evidence first: an answer that this very workload got, then one that anybody on this node
got. The newest answer counts. Both books are bounded; the entry used longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kindling.model.workload import Workload

#: Seconds beyond its TTL for which an answer still explains a connection: programs keep
#: addresses longer than they should, most of all those that pool connections.
_OWN_SLACK: Final = 3_600.0
_NODE_SLACK: Final = 300.0

K = TypeVar("K")


class ResolvedNames:
    """Address to name, by workload and by node."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._own: OrderedDict[tuple[Workload, str], tuple[str, float]] = OrderedDict()
        self._node: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def learn(self, workload: Workload | None, name: str, addresses: Iterable[tuple[str, int]], now: float) -> None:
        """An answer gave addresses, each with its TTL in seconds, for the name that was asked for.

        `workload` is who asked, None when the answer was seen on its way to somebody else.
        """
        for address, ttl in addresses:
            if workload is not None:
                self._put(self._own, (workload, address), (name, now + ttl + _OWN_SLACK))
            self._put(self._node, address, (name, now + ttl + _NODE_SLACK))

    def name(self, workload: Workload, address: str, now: float) -> str:
        """The name by which the workload, or else the node, knows an address; "" for none."""
        return _get(self._own, (workload, address), now) or _get(self._node, address, now)

    def __len__(self) -> int:
        return len(self._own) + len(self._node)

    def _put(self, book: OrderedDict[K, tuple[str, float]], key: K, entry: tuple[str, float]) -> None:
        book[key] = entry
        book.move_to_end(key)
        if len(book) > self._limit:
            book.popitem(last=False)


def _get(book: OrderedDict[K, tuple[str, float]], key: K, now: float) -> str:
    entry = book.get(key)
    if entry is None:
        return ""
    name, until = entry
    if until < now:
        del book[key]
        return ""
    book.move_to_end(key)
    return name
