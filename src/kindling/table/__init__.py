"""The live tables: reads a source's shared memory, keeps exact totals by label.

    collector = Collector(source, settings, identify)
    collector.tick()                    # every interval
    snapshot = collector.snapshot()     # between two ticks

A capture file: `Collector(source, clock=lambda: source.now() / 1e9)`, and `tick(final=True)` once
at its end.
"""

from kindling.table.collector import Collector
from kindling.table.owners import Identify, Nobody

__all__ = ["Collector", "Identify", "Nobody"]
