"""Bounds of what is kept in memory."""

from __future__ import annotations

from dataclasses import dataclass

from kindling.errors import SettingError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of everything that could grow. Each has a counter for what it turned away."""

    flow_rows: int = 20_000
    """Rows of connections: a workload, an address and a port, a name, a protocol."""
    op_rows: int = 20_000
    """Rows of requests: an operation with a status under one of the former."""
    recent_requests: int = 1_000
    """Slow and failed requests that are shown one by one."""
    recent_failures: int = 1_000
    """Failed connections that are shown one by one."""
    recent_answers: int = 1_000
    """DNS answers that are shown with their records."""
    dns_names: int = 8_000
    """Addresses whose name is remembered from DNS answers."""
    owners: int = 8_192
    """Workloads kept by the id of their owner; far more than the probe's own table holds."""
    row_idle_seconds: float = 3_600.0
    """A row to which nothing happened for so long, and which has no open connection, is forgotten. Should it come
    again, it starts from nothing."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise SettingError(f"The limit {name} must be at least 1.")
