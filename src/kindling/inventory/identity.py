"""What tells one counting row from another, across restarts."""

from __future__ import annotations

from hashlib import blake2b

from kindling.model import FlowRow


def row_key(row: FlowRow) -> int:
    """A signed 64-bit hash of the row's labels and its first sight.

    A row that was expired and comes again counts from 0: its first sight tells it from the one before. Scope and
    network are left out, for settings may change them while the row goes on. Among 20,000 rows two share a key with
    a probability of 10^-11.
    """
    labels = row.labels
    who = labels.workload
    told = (
        who.kind,
        who.namespace,
        who.name,
        who.container,
        labels.role,
        labels.transport,
        labels.protocol,
        labels.local_ip,
        labels.remote_ip,
        labels.port,
        labels.name,
        labels.evidence,
        labels.inferred,
        row.first_seen,
        *((who.pod,) if who.pod else ()),
    )
    digest = blake2b(repr(told).encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
