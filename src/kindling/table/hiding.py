"""What the settings or an annotation of a pod exclude. It is counted all the same, but not shown to anybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kindling.model.dns import DnsAnswer

if TYPE_CHECKING:
    from collections import deque

    from kindling.config import Kubernetes, Selection
    from kindling.model.events import FailureEvent, RequestEvent
    from kindling.model.rows import FlowRow, OpRow
    from kindling.model.workload import Workload

_DNS: Final = 53
_REMEMBERED: Final = 4_096

Row = TypeVar("Row", "FlowRow", "OpRow")


class _Names:
    """Pods by name."""

    def __init__(self, selection: Selection) -> None:
        self.any = bool(selection.namespaces or selection.pods)
        patterns = [f"{namespace}/*" for namespace in selection.namespaces] + list(selection.pods)
        self._pattern = re.compile("|".join(map(translate, patterns)) or r"(?!)")

    def __contains__(self, pod: str) -> bool:
        return self._pattern.match(pod) is not None


class Hiding:
    """`unobserved`: namespace and name of the pods that say of themselves that they are not to be shown."""

    def __init__(self, settings: Kubernetes, unobserved: Callable[[], Collection[tuple[str, str]]] = frozenset) -> None:
        self._unobserved = unobserved
        self._annotated: frozenset[tuple[str, str]] = frozenset()
        self.reconfigure(settings)

    def reconfigure(self, settings: Kubernetes) -> None:
        self._include, self._exclude = _Names(settings.include), _Names(settings.exclude)
        self._only_ports = frozenset(settings.include.ports)
        self._no_ports = frozenset(settings.exclude.ports)
        self._ruled = self._include.any or self._exclude.any or bool(self._only_ports or self._no_ports)
        self._pods: dict[tuple[str, str], bool] = {}

    def refresh(self) -> None:
        """Look at the annotations."""
        annotated = frozenset(self._unobserved())
        if annotated != self._annotated:
            self._annotated = annotated
            self._pods.clear()

    @property
    def active(self) -> bool:
        return self._ruled or bool(self._annotated)

    def hides(self, workload: Workload, port: int) -> bool:
        if port in self._no_ports or (self._only_ports and port not in self._only_ports):
            return True
        if not workload.namespace:
            return False
        key = (workload.namespace, workload.pod)
        hidden = self._pods.get(key)
        if hidden is None:
            if len(self._pods) >= _REMEMBERED:
                self._pods.clear()
            hidden = self._pods[key] = self._hides_pod(key)
        return hidden

    def shown(self, rows: Collection[Row]) -> list[Row]:
        """Those of the rows that may be shown."""
        if not self.active:
            return list(rows)
        return [row for row in rows if not self.hides(row.labels.workload, row.labels.port)]

    def purge(self, *books: deque[Any]) -> None:
        """Forget the requests, failures and DNS answers that may not be shown; in place, for others look at the same
        books.
        """
        for book in books if self.active else ():
            kept = [event for event in book if not self.hides(event.workload, _port(event))]
            if len(kept) != len(book):
                book.clear()
                book.extend(kept)

    def _hides_pod(self, pod: tuple[str, str]) -> bool:
        name = "/".join(pod)
        return pod in self._annotated or name in self._exclude or (self._include.any and name not in self._include)


def _port(event: RequestEvent | FailureEvent | DnsAnswer) -> int:
    """Of the service, as in the labels of rows."""
    if isinstance(event, DnsAnswer):
        return _DNS
    return event.local_port if event.role == "server" else event.remote_port
