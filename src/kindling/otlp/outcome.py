"""What became of an attempt to deliver, whatever it was carried by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from kindling.otlp.messages import Partial


@dataclass(frozen=True, slots=True)
class Delivered:
    partial: Partial = field(default_factory=Partial)


@dataclass(frozen=True, slots=True)
class Retry:
    """Not delivered, worth another attempt."""

    reason: str
    after: float | None = None
    """Seconds that the collector asks for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not delivered, and never will be."""

    reason: str


Outcome = Delivered | Retry | Refused


class Transport(Protocol):
    """Carries export requests. Used by one thread, except `abort`."""

    def send(self, signal: str, body: bytes) -> Outcome:
        """`signal`: "metrics" or "traces". Never raises for what a network or a collector does."""
        ...

    def abort(self) -> None:
        """Another thread ends an attempt that hangs."""
        ...

    def close(self) -> None: ...
