"""Ids of the spans that slow and failed requests become: the same wherever they are asked for."""

from __future__ import annotations

from hashlib import blake2b

from kindling.model import RequestEvent


def span_ids(event: RequestEvent, node: str = "") -> tuple[str, str]:
    """Trace id (32 hex digits) and span id (16) of a request: made from what tells it from all others, so
    that a span and an exemplar that were made apart point at each other.
    """
    parts = (
        node,
        repr(event.time),
        str(event.pid),
        event.role,
        event.local_ip,
        str(event.local_port),
        event.remote_ip,
        str(event.remote_port),
        event.request,
        str(event.duration_ns),
    )
    digest = blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=24).hexdigest()
    return digest[:32], digest[32:]
