"""The thread that asks the node's connection tracking.

The kernel wants CAP_NET_ADMIN for each question. The agent gives that up; this thread, started before, keeps it and
gives up all else. Its socket belongs to the node's network namespace, in which services are translated: entering that
needs CAP_SYS_ADMIN, once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from kindling.agent.privileges import Capability, keep_in_thread
from kindling.identity.netns import in_namespace
from kindling.identity.proc import PROC
from kindling.kubernetes.conntrack import Connection, Conntrack, Endpoint, open_link
from kindling.kubernetes.lookups import Pair, Question

_PATIENCE: Final = 3
"""Failures one after the other."""
_NOBODY: Final = Connection("127.0.0.1", 1, "127.0.0.1", 1, "tcp")


class Asker:
    """Satisfies `kindling.kubernetes.lookups.Lookup`; the other side bounds what waits."""

    def __init__(self, conntrack: Conntrack, prepare: Callable[[], None] = lambda: None) -> None:
        """`prepare`: done first, in the thread."""
        self.waiting = 0
        self.seconds = 0.0
        self.failed = ""
        """Why nothing is asked any more."""
        self._failures = 0
        self._conntrack = conntrack
        self._prepare = prepare
        self._questions: SimpleQueue[Sequence[Question]] = SimpleQueue()
        self._answers: deque[list[tuple[Pair, Endpoint | None]]] = deque()
        self._thread = threading.Thread(target=self._run, name="conntrack", daemon=True)
        self._thread.start()

    def put(self, questions: Sequence[Question]) -> None:
        if not self.failed:
            self.waiting += len(questions)
            self._questions.put(questions)

    def take(self) -> list[tuple[Pair, Endpoint | None]]:
        found: list[tuple[Pair, Endpoint | None]] = []
        while self._answers:
            found += self._answers.popleft()
        self.waiting -= len(found)
        return found

    def close(self) -> None:
        """Returns when the thread is done."""
        self._questions.put(())
        self._thread.join()
        self._conntrack.close()

    def _run(self) -> None:
        self._prepare()
        while True:
            questions = self._questions.get()
            if not questions:
                return
            self._answers.append(self._ask(questions))
            self.seconds = time.thread_time()

    def _ask(self, questions: Sequence[Question]) -> list[tuple[Pair, Endpoint | None]]:
        try:
            found = self._conntrack.ask([connection for _, connection in questions])
        except OSError as error:
            self._failures += 1
            if self._failures >= _PATIENCE:
                self.failed = error.strerror or str(error)
            return [(pair, None) for pair, _ in questions]
        self._failures = 0
        return [(pair, endpoint) for (pair, _), endpoint in zip(questions, found, strict=True)]


def open_asker(proc: Path = PROC) -> Asker:
    """Of the node's first network namespace. Before capabilities are given up.

    Raises OSError where the way into that namespace is barred, or where it has no connection tracking.
    """
    path = proc / "1" / "ns" / "net"
    link = open_link() if path.samefile(proc / "self" / "ns" / "net") else in_namespace(path, open_link)
    conntrack = Conntrack(link)
    try:
        conntrack.ask([_NOBODY])
    except OSError:
        conntrack.close()
        raise
    return Asker(conntrack, lambda: keep_in_thread(Capability.NET_ADMIN))
