"""Alerts to a web server, tried again until it takes them."""

from __future__ import annotations

import http.client
import random
import ssl
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from kindling.alerts.alert import json_body, slack_body
from kindling.alerts.post import Answer, host_of, post
from kindling.errors import SettingError

if TYPE_CHECKING:
    from kindling.alerts.alert import Alert
    from kindling.alerts.courier import Say
    from kindling.config import Webhook

#: Answers that may be others the next time.
_RETRY: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_SLACK_LINES: Final = 20
_MAX_DOUBLINGS: Final = 32


class WebhookSink:
    """Counts its own attempts; the courier counts alerts."""

    def __init__(
        self,
        settings: Webhook,
        node: str,
        say: Say,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.batch = min(settings.batch, _SLACK_LINES) if settings.format == "slack" else settings.batch
        self.failed = 0
        self.retried = 0
        self._settings = settings
        self._node = node
        self._say = say
        self._clock = clock
        self._chance = chance
        self._failing = False

    def deliver(self, alerts: list[Alert], stop: threading.Event) -> bool:
        """Tries until the server takes them, refuses them for good, or the time is over."""
        body = (slack_body if self._settings.format == "slack" else json_body)(alerts, self._node)
        message = "msg_" + blake2b(body, digest_size=16).hexdigest()
        began = self._clock()
        for attempt in range(1_000_000):
            if attempt:
                self.retried += len(alerts)
            reason, retry_after = self._try(body, message)
            if not reason:
                self._recovered()
                return True
            self.failed += 1
            if retry_after is None:
                self._say(f"the webhook at {host_of(self._settings)} refuses alerts ({reason}): {len(alerts)} dropped")
                return False
            self._complain(reason)
            pause = max(retry_after, self.pause(attempt))
            if self._clock() - began + pause > self._settings.retry_seconds:
                self._say(f"the webhook at {host_of(self._settings)} did not answer in time: {len(alerts)} dropped")
                return False
            if stop.wait(pause):
                return False
        return False

    def pause(self, attempt: int) -> float:
        """Seconds before the next attempt: any time up to a bound that doubles, so that agents do not come at once."""
        longest = self._settings.backoff_seconds * 2.0 ** min(attempt, _MAX_DOUBLINGS)
        bound: float = min(longest, self._settings.backoff_max_seconds)
        return bound * self._chance()

    def reopen(self) -> None:
        """Nothing is open: files are read for each request."""

    def close(self) -> None:
        """Nothing is open."""

    def _try(self, body: bytes, message: str) -> tuple[str, float | None]:
        """What is wrong, "" for nothing; and how long to wait at least, None for ever."""
        try:
            answer = post(self._settings, body, message, int(time.time()))
        except SettingError as error:
            return error.message.rstrip("."), 0.0
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _reason(error), 0.0
        return self._verdict(answer)

    def _verdict(self, answer: Answer) -> tuple[str, float | None]:
        status = answer.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return "", None
        reason = f"status {status}"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _RETRY:
            return reason, min(answer.retry_after, self._settings.retry_seconds)
        return reason, None

    def _complain(self, reason: str) -> None:
        if not self._failing:
            self._failing = True
            self._say(f"the webhook at {host_of(self._settings)} does not take alerts ({reason}); trying again")

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            self._say(f"the webhook at {host_of(self._settings)} takes alerts again")


def _reason(error: Exception) -> str:
    """Without anything that was sent or received: it may hold the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
