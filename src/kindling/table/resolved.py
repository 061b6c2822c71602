"""Names of addresses, from the DNS answers that were seen.

Better evidence first: an answer that this very workload got, then one that anybody on this node
got. The newest answer counts. Both books are bounded; the entry used longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kindling.model.labels import Evidence
    from kindling.model.workload import Workload

#: Seconds beyond its TTL for which an answer still explains a connection. Programs keep addresses longer than they
#: should: those that pool connections, virtual machines that keep answers, servers that resolve when they start.
#: What another one asked for is a guess, and a shorter one.
_OWN_SLACK: Final = 86_400
_NODE_SLACK: Final = 3_600

#: RFC 8767 section 4: no answer is kept for longer than a week.
_TTL_MAX: Final = 604_800

K = TypeVar("K")


class _Entry(NamedTuple):
    name: str
    time: float
    """Unix seconds, when the answer came."""
    ttl: int


class Learned(NamedTuple):
    """An answer, as `learn` takes it."""

    workload: Workload | None
    name: str
    addresses: list[tuple[str, int]]
    time: float


class ResolvedNames:
    """Address to name, by workload and by node."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._own: OrderedDict[tuple[Workload, str], _Entry] = OrderedDict()
        self._node: OrderedDict[str, _Entry] = OrderedDict()
        self._changed: set[str] = set()

    def learn(self, workload: Workload | None, name: str, addresses: Iterable[tuple[str, int]], now: float) -> None:
        """An answer gave addresses, each with its TTL in seconds, for the name that was asked for.

        `workload` is who asked, None when it is not known.
        """
        entry = _Entry(name, now, 0)
        for address, ttl in addresses:
            if ttl != entry.ttl:
                entry = _Entry(name, now, min(ttl, _TTL_MAX))
            known = workload is not None and self._put(self._own, (workload, address), entry)
            if self._put(self._node, address, entry) or known:
                self._changed.add(address)

    def find(self, workload: Workload, address: str, now: float) -> tuple[str, Evidence]:
        """The name by which the workload, or else the node, knows an address; "" for none."""
        name = _get(self._own, (workload, address), now - _OWN_SLACK)
        if name:
            return name, "dns"
        name = _get(self._node, address, now - _NODE_SLACK)
        return (name, "node-dns") if name else ("", "address")

    def reown(self, workloads: Mapping[Workload, Workload]) -> None:
        """What workloads asked for was asked by others, as is known now."""
        if any(workload in workloads for workload, _ in self._own):
            self._own = OrderedDict(
                ((workloads.get(workload, workload), address), entry)
                for (workload, address), entry in self._own.items()
            )

    def take_changed(self) -> set[str]:
        """Addresses that somebody knows by another name than before, since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def entries(self) -> Iterator[Learned]:
        """What `learn` has to be told to know the same again: the oldest answers first."""
        own = [Learned(workload, e.name, [(address, e.ttl)], e.time) for (workload, address), e in self._own.items()]
        told = {(each.name, *each.addresses[0], each.time) for each in own}  # to the node as well
        node = [
            Learned(None, e.name, [(address, e.ttl)], e.time)
            for address, e in self._node.items()
            if (e.name, address, e.ttl, e.time) not in told
        ]
        yield from sorted(own + node, key=lambda each: each.time)

    def __len__(self) -> int:
        return len(self._own) + len(self._node)

    def _put(self, book: OrderedDict[K, _Entry], key: K, entry: _Entry) -> bool:
        """Whether that is another name than before."""
        known = book.get(key)
        if known is not None and known.time > entry.time:
            return False
        book[key] = entry
        book.move_to_end(key)
        if len(book) > self._limit:
            book.popitem(last=False)
        return known is None or known.name != entry.name


def _get(book: OrderedDict[K, _Entry], key: K, now: float) -> str:
    entry = book.get(key)
    if entry is None:
        return ""
    if entry.time + entry.ttl < now:
        del book[key]
        return ""
    book.move_to_end(key)
    return entry.name
