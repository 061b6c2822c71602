"""Which service was called, where Cilium's balancer in the socket has put a pod's address in its place.

At connect() Cilium notes, by the socket's cookie and the pod's address, at which address the service was called: struct
ipv4_revnat_tuple and ipv4_revnat_entry of its bpf/lib/sock.h, the same of IPv6. Its maps are pinned.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kindling.capture.bpf import syscall
from kindling.capture.bpf.maps import batches
from kindling.capture.bpf.syscall import MapType

FOLDER: Final = Path("/sys/fs/bpf/tc/globals")

#: Names and bytes of an address. In a key it comes behind the cookie, in a value first; the port follows it.
_MAPS: Final = (("cilium_lb4_reverse_sk", 4), ("cilium_lb6_reverse_sk", 16))
_COOKIE_BYTES: Final = 8
_PORT_BYTES: Final = 2
_ENTRIES: Final = 1 << 19
"""Twice as many as Cilium's own bound: a map with room for more is another one."""

#: Odd, and of no pattern: the fraction of the golden ratio, of pi, e, and the roots of 2 and 3.
_FACTORS: Final = np.array(
    [0x9E3779B97F4A7C15, 0x243F6A8885A308D3, 0xB7E151628AED2A6B, 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B], np.uint64
)

Endpoint = tuple[str, int]


def calls(folder: Path = FOLDER) -> dict[Endpoint, set[Endpoint]]:
    """Where services were called, by the endpoint that such calls were sent to. Empty without Cilium, or where its
    maps are others than these.
    """
    found: dict[Endpoint, set[Endpoint]] = {}
    for name, size in _MAPS:
        for endpoint, called in _read(folder / name, size):
            found.setdefault(endpoint, set()).add(called)
    return found


def _read(path: Path, size: int) -> list[tuple[Endpoint, Endpoint]]:
    try:
        fd = syscall.object_get(str(path))
    except OSError:
        return []
    try:
        kind, key_bytes, value_bytes, entries = syscall.map_shape(fd)
        end = size + _PORT_BYTES
        if kind != MapType.LRU_HASH or key_bytes < _COOKIE_BYTES + end or value_bytes < end or entries > _ENTRIES:
            return []
        read = batches(fd, entries, np.dtype(f"V{key_bytes}"), np.dtype(f"V{value_bytes}"))
    except OSError:
        return []
    finally:
        os.close(fd)
    return _pairs(*read, size) if read else []


def _pairs(keys: NDArray[Any], values: NDArray[Any], size: int) -> list[tuple[Endpoint, Endpoint]]:
    """Each pair once, whatever the number of sockets."""
    end = size + _PORT_BYTES
    backends = _columns(keys)[:, _COOKIE_BYTES : _COOKIE_BYTES + end]
    called = _columns(values)[:, :end]
    both = np.zeros((len(keys), -(-2 * end // 8) * 8), np.uint8)
    both[:, :end], both[:, end : 2 * end] = backends, called
    mixed = (both.view(np.uint64) * _FACTORS[: both.shape[1] // 8]).sum(axis=1)  # sorting rows would take far longer
    _, first = np.unique(mixed, return_index=True)
    rows = map(bytes, both[first])
    return [(_endpoint(row[:end], size), _endpoint(row[end : 2 * end], size)) for row in rows]


def _columns(rows: NDArray[Any]) -> NDArray[np.uint8]:
    return rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)


def _endpoint(packed: bytes, size: int) -> Endpoint:
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed[:size]), int.from_bytes(packed[size:], "big")
