"""The names of all workloads that talked."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from kindling.export import families as f
from kindling.export.section import Section, Series, Totals
from kindling.export.text import labels
from kindling.model import FlowRow


class WorkloadSection(Section[FlowRow]):
    """Always 1: other queries join with it."""

    families = (f.WORKLOAD_INFO,)
    cost = 1
    share = 0.05
    folds = False

    def takes(self, row: FlowRow) -> bool:
        del row
        return True

    def key(self, row: FlowRow, level: int) -> Hashable:
        del level
        workload = row.labels.workload
        return (workload.namespace, workload.kind, workload.name)

    def text(self, row: FlowRow, level: int) -> str:
        del level
        workload = row.labels.workload
        known = (workload.namespace, workload.kind, workload.name)
        return labels(f.WORKLOAD_INFO.labels, dict(zip(f.WORKLOAD_INFO.labels, known, strict=True)))

    def values(self, row: FlowRow) -> Totals:
        del row
        return ()

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces."""
        name = f.WORKLOAD_INFO.name

        def one(series: Series[FlowRow]) -> str:
            return f"{name}{{{series.text}}} 1\n"

        yield from self.pieces(one, f.WORKLOAD_INFO.heading(openmetrics=openmetrics))
