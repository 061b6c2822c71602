"""Names from the network."""

from __future__ import annotations

from functools import lru_cache

from kindling.model.printable import printable


@lru_cache(maxsize=1024)
def host_name(data: bytes) -> str:
    """Host of a request or SNI to the name alone: no port, no final dot, lower case.

    RFC 9110 section 7.2: Host = uri-host [":" port]; IPv6 literals stand in brackets.
    """
    text = printable(data).strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    if colon and ":" not in host and (port.isdigit() or not port):
        text = host
    return text.removesuffix(".")
