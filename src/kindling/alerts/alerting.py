"""Looks at every reading, and tells what is new."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from kindling.alerts.alert import Alert
from kindling.alerts.allow import AllowList
from kindling.alerts.courier import Courier, Say
from kindling.alerts.judge import Judge
from kindling.alerts.lines import LineSink
from kindling.alerts.post import check_files
from kindling.alerts.webhook import WebhookSink
from kindling.inventory import meta
from kindling.inventory.told import REMEMBERED

if TYPE_CHECKING:
    from kindling.config import Alerts
    from kindling.inventory.novelty import Novelty
    from kindling.model import Snapshot


class Memory(Protocol):
    """What remembers over restarts (`kindling.inventory.Recorder`)."""

    @property
    def news(self) -> Sequence[Novelty]:
        """Found since the reading before."""
        ...

    def first(self, kind: str, key: str) -> bool:
        """True once for each pair."""
        ...

    def ask(self, question: Callable[..., Any]) -> Future[Any]:
        """Asks the database; another thread answers."""
        ...


class Alerting:
    """`observe` is called after each reading, in the agent's thread; nothing in it waits for anybody."""

    def __init__(
        self,
        settings: Alerts,
        memory: Memory | None,
        say: Say,
        *,
        learning_seconds: float = 0.0,
        node: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`memory` None: then what was told is not remembered over a restart, and destinations and ports are not
        looked at. `learning_seconds`: since the birth of an empty memory; nothing is told in that time.

        Raises SettingError when a file of the webhook cannot be used.
        """
        self._node = node or socket.gethostname()
        self._memory = memory
        self._say = say
        self._learning = _Learning(memory, learning_seconds, clock)
        self._told: set[tuple[str, str]] = set()
        self._counts: Counter[str] = Counter()
        self._judge = Judge(settings)
        self._lines: Courier | None = None
        self._webhook: Courier | None = None
        self._webhook_sink: WebhookSink | None = None
        self._left: Counter[str] = Counter()
        """What sinks counted that are no more."""
        self._settings = settings
        self._allow = AllowList(settings.allow)
        self._open_lines(settings)
        self._open_webhook(settings)

    def observe(self, snapshot: Snapshot) -> None:
        """Called after each reading of the tables, after the memory's own."""
        if not self._settings.enabled:
            return
        for alert in self._news():
            self._tell(alert)
        learning = self._learning.now()
        if learning is None:
            return  # the database is not open yet; rows can wait
        for alert in self._judge.judge(snapshot):
            if alert not in self._allow and self._first(alert) and not learning:
                self._tell(alert)

    def stats(self) -> dict[str, float]:
        """Counters and gauges, as docs/metrics.md names them."""
        if not self._settings.enabled:
            return {}
        stats: dict[str, float] = {f"external_new.{kind}": self._counts[kind] for kind in self._settings.kinds}
        for name, courier in (("alerts", self._lines), ("webhook", self._webhook)):
            if courier is not None:
                done = "written" if name == "alerts" else "sent"
                stats[f"{name}.{done}"] = courier.delivered + self._left[f"{name}.{done}"]
                stats[f"{name}.dropped"] = courier.dropped + self._left[f"{name}.dropped"]
        if self._webhook is not None and self._webhook_sink is not None:
            stats["webhook.pending"] = self._webhook.pending
            stats["webhook.failed"] = self._webhook_sink.failed + self._left["webhook.failed"]
            stats["webhook.retried"] = self._webhook_sink.retried + self._left["webhook.retried"]
        return stats

    def reconfigure(self, settings: Alerts) -> None:
        """Takes other settings, and opens files again. Raises SettingError, and then leaves all as it was."""
        if settings.webhook.enabled:
            check_files(settings.webhook)
        before, self._settings = self._settings, settings
        self._allow = AllowList(settings.allow)
        self._judge.reconfigure(settings)
        if settings.lines != before.lines:
            self._leave_lines()
            self._open_lines(settings)
        elif self._lines is not None:
            self._lines.reopen()
        if settings.webhook != before.webhook:
            self._leave_webhook()
            self._open_webhook(settings)

    def close(self) -> None:
        """Delivers what waits, within the time of the settings."""
        for courier in (self._lines, self._webhook):
            if courier is not None:
                courier.close()
                if courier.dropped and courier is self._webhook:
                    self._say(f"{courier.dropped} alerts were not delivered to the webhook")

    def _news(self) -> Iterator[Alert]:
        """New to the memory, which does its learning itself."""
        for novelty in self._memory.news if self._memory is not None else ():
            alert = Alert.taken(novelty)
            if alert.kind in self._settings.kinds and alert not in self._allow:
                yield alert

    def _first(self, alert: Alert) -> bool:
        if self._memory is not None:
            return self._memory.first(alert.kind, alert.key)
        told = (alert.kind, alert.key)
        if told in self._told or len(self._told) >= REMEMBERED:
            return False
        self._told.add(told)
        return True

    def _tell(self, alert: Alert) -> None:
        self._counts[alert.kind] += 1
        if self._lines is not None and alert.kind in self._settings.lines.kinds:
            self._lines.put(alert)
        if self._webhook is not None and alert.kind in self._settings.webhook.kinds:
            self._webhook.put(alert)

    def _open_lines(self, settings: Alerts) -> None:
        lines = settings.lines
        if settings.enabled and lines.enabled:
            sink = LineSink(lines, self._node, self._say)
            self._lines = Courier(sink, room=lines.queue, name="alert-lines", stop_seconds=2.0)
            self._lines.start()

    def _open_webhook(self, settings: Alerts) -> None:
        webhook = settings.webhook
        if settings.enabled and webhook.enabled:
            check_files(webhook)
            self._webhook_sink = sink = WebhookSink(webhook, self._node, self._say)
            self._webhook = Courier(sink, room=webhook.queue, name="webhook", stop_seconds=webhook.stop_seconds)
            self._webhook.start()

    def _leave_lines(self) -> None:
        courier, self._lines = self._lines, None
        if courier is not None:
            courier.abandon()
            self._left["alerts.written"] += courier.delivered
            self._left["alerts.dropped"] += courier.dropped

    def _leave_webhook(self) -> None:
        courier, self._webhook = self._webhook, None
        sink, self._webhook_sink = self._webhook_sink, None
        if courier is not None and sink is not None:
            courier.abandon()
            self._left["webhook.sent"] += courier.delivered
            self._left["webhook.dropped"] += courier.dropped
            self._left["webhook.failed"] += sink.failed
            self._left["webhook.retried"] += sink.retried


class _Learning:
    """Whether the memory is too young to know what is new."""

    def __init__(self, memory: Memory | None, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._asked = memory.ask(lambda connection: meta.number(connection, "born")) if memory and seconds else None
        self._born: float | None = clock() if memory is None else None

    def now(self) -> bool | None:
        """None: not known yet."""
        if not self._seconds:
            return False
        if self._born is None:
            if self._asked is None or not self._asked.done():
                return None
            # a database that does not answer knows nothing of before
            self._born = self._clock() if self._asked.exception() else float(self._asked.result())
        return self._born <= self._clock() < self._born + self._seconds
