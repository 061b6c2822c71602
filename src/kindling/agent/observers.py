"""Who looks at every reading of the tables, as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from kindling.agent.live import Say
from kindling.agent.reload import Reconfigure
from kindling.agent.watch import Observer
from kindling.alerts import Alerting
from kindling.config import Settings
from kindling.inventory import Recorder


@dataclass(slots=True)
class Observers:
    calls: list[Observer] = field(default_factory=list)
    """In the order in which they are called."""
    inventory: Recorder | None = None
    """Also answers questions."""
    stats: list[Callable[[], Mapping[str, float]]] = field(default_factory=list)
    """Numbers of each part, for `Snapshot.stats`."""
    parts: dict[str, Reconfigure] = field(default_factory=dict)
    """What takes other settings while it runs, by its section."""


@contextmanager
def observers_of(settings: Settings, say: Say) -> Iterator[Observers]:
    """Closed in the opposite order."""
    observers = Observers()
    with ExitStack() as stack:
        if settings.inventory.enabled:
            observers.inventory = inventory = Recorder(settings.data, settings.inventory, say)
            stack.callback(inventory.close)
            inventory.start()
            observers.calls.append(inventory.observe)
            observers.stats.append(inventory.stats)
        alerting = Alerting(
            settings.alerts,
            observers.inventory,
            say,
            learning_seconds=settings.inventory.learning_seconds,
            node=settings.kubernetes.node,
        )
        stack.callback(alerting.close)
        observers.calls.append(alerting.observe)
        observers.stats.append(alerting.stats)
        observers.parts["alerts"] = lambda changed: alerting.reconfigure(changed.alerts)
        if settings.otlp.enabled:
            from kindling.otlp import OtlpExporter

            otlp = OtlpExporter(settings.otlp, say, interval=settings.interval, node=settings.kubernetes.node)
            stack.callback(otlp.close)
            otlp.start()
            observers.calls.append(otlp.observe)
            observers.stats.append(otlp.stats)
        yield observers
