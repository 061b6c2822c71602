"""Looks at the agent in a thread of its own, so that keys are answered at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from kindling.cli.top.look import Look, Looker
from kindling.cli.top.state import Question
from kindling.errors import BusyError, KindlingError, UnreachableError


class Feed:
    """Asks the newest question every `interval` seconds, and at once when it changes. One answer is kept: the last."""

    def __init__(self, looker: Looker, first: Look, interval: float, changed: Callable[[], None]) -> None:
        """`first`: what is known already; `changed` is called in the feed's thread when there is a new answer."""
        self._looker = looker
        self._interval = interval
        self._changed = changed
        self._question: Question | None = None
        self._paused = False
        self._ended = False
        self._wanted = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.last = first

    def start(self) -> None:
        self._thread.start()

    def ask(self, question: Question, *, paused: bool) -> None:
        """From now on this. `paused`: once, not again and again."""
        with self._wanted:
            if (question, paused) != (self._question, self._paused):
                self._question, self._paused = question, paused
                self._wanted.notify()

    def end(self) -> None:
        """Does not wait for an agent that does not answer: the thread ends with the process."""
        with self._wanted:
            self._ended = True
            self._wanted.notify()

    def _run(self) -> None:
        while (question := self._next()) is not None:
            self.last = self._look(question)
            self._changed()
            self._rest(question)

    def _next(self) -> Question | None:
        with self._wanted:
            self._wanted.wait_for(lambda: self._question is not None or self._ended)
            return None if self._ended else self._question

    def _rest(self, answered: Question) -> None:
        """Until the next look is due, or something else is asked."""
        due = time.monotonic() + self._interval
        with self._wanted:
            while self._question == answered and not self._ended:
                left = None if self._paused else due - time.monotonic()
                if left is not None and left <= 0:
                    return
                self._wanted.wait(left)

    def _look(self, question: Question) -> Look:
        try:
            return self._looker.look(question)
        except (BusyError, UnreachableError) as error:
            return replace(self.last, problem=f"Still trying: {error.message}")
        except KindlingError as error:  # the filter, mostly
            return replace(self.last, problem=str(error))
