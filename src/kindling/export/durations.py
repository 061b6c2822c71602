"""Histograms of durations: of requests, and of DNS queries by server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from kindling.export import families as f
from kindling.export.buckets import LE, cumulate
from kindling.export.budget import Budget
from kindling.export.exemplars import Exemplars
from kindling.export.family import Family
from kindling.export.requests import content_in_histograms, operation_key, operation_text
from kindling.export.section import Section, Series, Totals
from kindling.model import OpRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NS: Final = 1e9
#: Series rendered, and rows added up, in one go: neither is large in memory then.
_PIECE: Final = 32
_CHUNK: Final = 512
_TAILS: Final = tuple(f',le="{le}"}} ' for le in LE)


class HistogramSection(Section[OpRow]):
    """What is shown as a histogram. `values` are the sum of durations in nanoseconds, then the kernel's buckets."""

    cost = len(LE) + 2

    def values(self, row: OpRow) -> Totals:
        return (row.duration_ns, *row.hist.tolist())

    def sum(self, rows: Collection[OpRow]) -> Totals:
        if not rows:
            return ()
        parts = []
        remaining = iter(rows)
        while chunk := [row.hist for row in islice(remaining, _CHUNK)]:
            parts.append(np.sum(chunk, axis=0, dtype=np.uint64))
        buckets = cast("list[int]", np.sum(parts, axis=0, dtype=np.uint64).tolist())
        return (sum([row.duration_ns for row in rows]), *buckets)

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """In pieces: it is the largest family by far."""
        (family,) = self.families
        if not len(self):
            return
        yield family.heading(openmetrics=openmetrics)
        remaining = iter(self)
        while piece := list(islice(remaining, _PIECE)):
            yield self._piece(family, piece, openmetrics=openmetrics)

    def _piece(self, family: Family, piece: Sequence[Series[OpRow]], *, openmetrics: bool) -> str:
        name = family.name
        histograms: list[NDArray[np.uint64]] = []
        sums: list[int] = []
        for series in piece:
            if series.plain is not None:
                histograms.append(series.plain.hist)
                sums.append(series.plain.duration_ns)
            else:
                ns, *buckets = self.totals(series)
                histograms.append(np.array(buckets, np.uint64))
                sums.append(ns)
        lines: list[str] = []
        for series, ns, counts in zip(piece, sums, cumulate(histograms), strict=True):
            head = f"{name}_bucket{{{series.text}"
            shown = self.exemplars(series) if openmetrics else {}
            if shown:
                lines += [
                    f"{head}{t}{n}{shown.get(i, '')}\n" for i, (t, n) in enumerate(zip(_TAILS, counts, strict=True))
                ]
            else:
                lines += [f"{head}{tail}{n}\n" for tail, n in zip(_TAILS, counts, strict=True)]
            lines.append(f"{name}_sum{{{series.text}}} {ns / _NS!r}\n{name}_count{{{series.text}}} {counts[-1]}\n")
        return "".join(lines)

    def exemplars(self, series: Series[OpRow]) -> dict[int, str]:
        """Examples of a series, by the index of the bucket."""
        del series
        return {}


class DurationSection(HistogramSection):
    """Requests of clients and servers."""

    families = (f.REQUEST_DURATION,)
    share = 0.1

    def __init__(self, budget: Budget, is_idle: Callable[[OpRow], bool], node: str, examples: Exemplars) -> None:
        super().__init__(budget, is_idle, node)
        self._examples = examples

    def takes(self, row: OpRow) -> bool:
        del row
        return True

    def key(self, row: OpRow, level: int) -> Hashable:
        op = row.labels
        return operation_key(op, level, content_in_histograms(op.protocol, op.content))

    def text(self, row: OpRow, level: int) -> str:
        op = row.labels
        return operation_text(op, self.node, level, content_in_histograms(op.protocol, op.content))

    def exemplars(self, series: Series[OpRow]) -> dict[int, str]:
        return self._examples.get(series.key)
