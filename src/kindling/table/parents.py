"""Under what operations are counted: the flow of a client, the endpoint of a server.

An operation's slot knows only the id of its parent. What the id stands for is learned from the
flow's slot and kept as long as a slot of either kind refers to it; its labels for a while longer,
for queries whose answer never comes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kindling.table.records import Kin, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kindling.model.labels import FlowLabels
    from kindling.table.owners import Owners

_REMEMBERED: Final = 4_096


@dataclass(slots=True)
class Parent:
    labels: FlowLabels
    """Of the first flow that was seen."""
    owner: int
    flows: int = 0
    ops: int = 0


class Parents:
    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self._by_id: dict[int, Parent] = {}
        self._remembered: OrderedDict[int, FlowLabels] = OrderedDict()
        self._relabelled: set[int] = set()
        self.waiting: set[int] = set()
        """Parents of flows that are not bound because nobody knows yet who they are of."""

    def get(self, parent: int) -> Parent | None:
        return self._by_id.get(parent)

    def labels(self, parent: int) -> FlowLabels | None:
        """Also of a parent that is gone, while it is remembered."""
        known = self._by_id.get(parent)
        return known.labels if known else self._remembered.get(parent)

    def add_flow(self, parent: int, labels: FlowLabels, owner: int) -> None:
        known = self._by_id.get(parent)
        if known is None:
            known = self._by_id[parent] = Parent(labels, owner)
            self._owners.use(owner)
        known.flows += 1

    def drop_flow(self, parent: int) -> None:
        known = self._by_id.get(parent)
        if known:
            known.flows -= 1
            self._forget(parent, known)

    def relabel(self, parent: int, labels: FlowLabels) -> None:
        """The flow of a client leads to another one now, or another one is behind a flow."""
        known = self._by_id.get(parent)
        if known:
            peer = known.labels.peer if labels.role == "server" else labels.peer
            known.labels = replace(known.labels, workload=labels.workload, peer=peer)
            self._relabelled.add(parent)

    def take_relabelled(self) -> set[int]:
        """Parents whose labels are others since the last call."""
        relabelled, self._relabelled = self._relabelled, set()
        return relabelled

    def add_op(self, parent: int) -> None:
        known = self._by_id.get(parent)
        if known:
            known.ops += 1

    def drop_op(self, parent: int) -> None:
        known = self._by_id.get(parent)
        if known and known.ops:
            known.ops -= 1
            self._forget(parent, known)

    def _forget(self, parent: int, known: Parent) -> None:
        if not known.flows and not known.ops:
            del self._by_id[parent]
            self._owners.drop(known.owner)
            self._remembered[parent] = known.labels
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def restore(self, kin: Mapping[int, FlowLabels]) -> None:
        """Take what another process remembered."""
        for parent, labels in kin.items():
            if parent not in self._by_id:
                self._remembered[parent] = labels
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def saved(self) -> Iterator[Record]:
        """Of those without slot, for the journal."""
        yield from (Kin(parent, labels) for parent, labels in self._remembered.items())

    def __len__(self) -> int:
        return len(self._by_id)
