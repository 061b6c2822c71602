"""What a workload was seen to reach, at one moment: a row of flows without its counts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Generic, Self, TypeVar

from kindling.model.labels import Evidence, Transport
from kindling.model.rows import FlowRow
from kindling.model.workload import Workload

KindT = TypeVar("KindT", bound=str)
OtherT = TypeVar("OtherT", bound=str)


@dataclass(frozen=True, slots=True)
class Sighting(Generic[KindT]):
    kind: KindT
    """Why it is worth a word."""
    time: float
    """Unix seconds."""
    workload: Workload
    destination: str
    """The name, or the address where no name is known."""
    address: str
    port: int
    transport: Transport
    protocol: str
    scope: str
    network: str
    evidence: Evidence

    @classmethod
    def of(cls, kind: KindT, row: FlowRow, time: float) -> Self:
        labels = row.labels
        return cls(
            kind=kind,
            time=time,
            workload=labels.workload,
            destination=labels.name or labels.remote_ip,
            address=labels.remote_ip,
            port=labels.port,
            transport=labels.transport,
            protocol=labels.protocol,
            scope=labels.scope,
            network=labels.network,
            evidence=labels.evidence,
        )

    @classmethod
    def taken(cls, other: Sighting[OtherT]) -> Self:
        """The same sight, with the methods of this class."""
        return cls(**{field.name: getattr(other, field.name) for field in fields(other)})
