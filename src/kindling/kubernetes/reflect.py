"""Keeping up with one kind of object: a list in pages once, then a watch that is taken up where it broke off.

Protocol: "Kubernetes API Concepts", https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, NamedTuple, TypeVar

import msgspec

from kindling.kubernetes.backoff import Backoff
from kindling.kubernetes.client import ApiError, Client
from kindling.kubernetes.objects import (
    AnyObject,
    Bookmark,
    DecodeError,
    Listing,
    Status,
    WatchEvent,
    decode,
)

_PAGE: Final = "500"
_WATCH_SECONDS: Final = (300, 600)
"""The server ends a watch after a time between these: agents that started together drift apart."""
_WAITING: Final = 2_500
"""Changes that wait to be taken; with more, the next is not read: a page's objects are larger than what is kept."""
_LOOK_AGAIN: Final = 0.05
_NOTHING_THERE: Final = 0.001
_GATHER: Final = 0.1
"""Seconds to wait after an event that had to be waited for: waking up for each costs more than what is in it."""
_AT_ONCE: Final = 5.0
"""Seconds: a watch that ends sooner, and nothing was heard, did not end by its timeout."""
_SILENCE: Final = 90.0
"""Beyond the server's patience: a bookmark comes about once a minute, a dead connection says nothing."""

T = TypeVar("T", bound=AnyObject)

Action = Literal["put", "delete", "synced"]


class Change(NamedTuple):
    """`synced`: all that was put since the last list began is all there is; `uids` of what is there."""

    action: Action
    object: AnyObject | None = None
    uids: frozenset[str] = frozenset()


@dataclass(slots=True)
class Health:
    """Written by the reflector's thread, read by the agent's."""

    lists: int = 0
    watches: int = 0
    events: int = 0
    errors: int = 0
    undecodable: int = 0
    synced: bool = False
    failing_since: float = 0.0
    """Unix seconds; 0 while all is well."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    name: str
    path: str
    kind: type[T]
    parameters: dict[str, str] = field(default_factory=dict)
    """Selectors, the same for list and watch."""


class Reflector(Generic[T]):
    """Runs in a thread of its own until `stop`; what it learns waits in `changes`."""

    def __init__(
        self,
        client: Client,
        resource: Resource[T],
        *,
        backoff: Backoff | None = None,
        chance: Callable[[], float] = random.random,
        wait: Callable[[float], bool] | None = None,
        clock: Callable[[], float] = time.time,
        silence: float = _SILENCE,
    ) -> None:
        """`wait`: sleeps, and returns whether to stop. `clock`: Unix seconds."""
        self.resource = resource
        self.changes: deque[Change] = deque()
        self.health = Health()
        self._client = client
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._clock = clock
        self._silence = silence
        self._version = ""
        self._thread = threading.Thread(target=self.run, name=f"kubernetes-{resource.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = 0.0) -> None:
        """Waits no longer than said: a thread that hangs in a read ends with the process."""
        self._stop.set()
        if patience:
            self._thread.join(patience)

    def run(self) -> None:
        try:
            self._keep_up()
        finally:
            self._client.close()

    def _keep_up(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch()
            except ApiError as error:
                if error.gone:
                    self._version = ""
                if self._wait(self._failed(error)):
                    return
            except Exception as error:  # noqa: BLE001 -- whatever an odd answer causes, data must go on
                if self._wait(self._failed(ApiError(0, f"{type(error).__name__}: {error}"))):
                    return

    def _failed(self, error: ApiError) -> float:
        health = self.health
        health.errors += 1
        health.problem = str(error)
        if not error.gone:  # that is an answer
            health.failing_since = health.failing_since or self._clock()
        return self._backoff.failed(error.retry_after)

    def _worked(self) -> None:
        self._backoff.worked()
        self.health.failing_since = 0.0

    def _list(self) -> None:
        """All objects, a page at a time. A page that has expired (410) makes the rest come in one piece."""
        self.health.lists += 1
        parameters = {**self.resource.parameters, "limit": _PAGE}
        uids: set[str] = set()
        while True:
            try:
                page: Listing = decode(self._client.get(self.resource.path, parameters), Listing)
            except ApiError as error:
                if not error.gone or "continue" not in parameters:
                    raise
                parameters = dict(self.resource.parameters)
                uids.clear()
                continue
            except DecodeError as error:
                raise ApiError(0, f"the list of {self.resource.name} is no JSON that was expected: {error}") from None
            for item in page.items or ():
                found = self._decoded(item)
                if found is not None:
                    uids.add(found.metadata.uid)
                    self._tell(Change("put", found))
            if not page.metadata.continue_:
                break
            parameters["continue"] = page.metadata.continue_
        self._tell(Change("synced", uids=frozenset(uids)))
        self._version = page.metadata.resource_version
        self.health.synced = True
        self.health.failing_since = 0.0  # the wait grows on until a watch goes on: lists are what must not be repeated

    def _watch(self) -> None:
        self.health.watches += 1
        least, most = _WATCH_SECONDS
        parameters = {
            **self.resource.parameters,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(round(least + (most - least) * self._chance())),
        }
        lines = self._client.lines(self.resource.path, parameters, self._silence)
        self.health.failing_since = 0.0
        began = asked = time.monotonic()
        for line in lines:
            waited = time.monotonic() - asked > _NOTHING_THERE
            try:
                event: WatchEvent = decode(line, WatchEvent)
            except DecodeError:
                self.health.undecodable += 1
                continue
            self._take(event)
            self._worked()
            if self._stop.wait(_GATHER) if waited else self._stop.is_set():
                return
            asked = time.monotonic()
        if asked == began and time.monotonic() - began < _AT_ONCE:
            raise ApiError(0, "a watch ended at once")
        self._wait(self._chance())

    def _take(self, event: WatchEvent) -> None:
        if event.type == "ERROR":
            status: Status = decode(event.object, Status)
            raise ApiError(status.code, status.message or status.reason)
        if event.type == "BOOKMARK":
            self._version = decode(event.object, Bookmark).metadata.resource_version or self._version
            return
        found = self._decoded(event.object)
        if found is None:
            return
        self.health.events += 1
        self._tell(Change("delete" if event.type == "DELETED" else "put", found))
        self._version = found.metadata.resource_version or self._version

    def _tell(self, change: Change) -> None:
        while len(self.changes) >= _WAITING:
            if self._stop.wait(_LOOK_AGAIN):
                return
        self.changes.append(change)

    def _decoded(self, data: msgspec.Raw) -> T | None:
        try:
            found: T = decode(data, self.resource.kind)
        except DecodeError:
            self.health.undecodable += 1
            return None
        return found
