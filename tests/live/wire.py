"""A wire between two namespaces that delays, loses and reorders packets, for kernels without netem."""

from __future__ import annotations

import fcntl
import heapq
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from live.netns import Link, Namespace, namespace

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_LONGEST = 1 << 16

#: Seconds that a packet spends on the wire, by its number in its direction and its bytes; None: it is lost.
Fate = Callable[[int, bytes], float | None]


@contextmanager
def wire(fate: Fate) -> Iterator[Link]:
    """Two namespaces joined by it: 198.51.100.1 is the client, 198.51.100.2 the server; for each its own network."""
    part = os.getpid() % 250 + 1  # no zero: addresses are compared as they are written
    with namespace("near") as client, namespace("far") as server:
        third = int(client.name.split("-")[2]) % 250 + 1
        made = Link(
            client,
            server,
            f"10.{part}.{third}.1",
            f"10.{part}.{third}.2",
            f"fd01:{part}:{third}::1",
            f"fd01:{part}:{third}::2",
        )
        near = _tun(client, made.client4, made.client6)
        far = _tun(server, made.server4, made.server6)
        stop, stopped = os.pipe()
        thread = threading.Thread(target=_carry, args=(near, far, fate, stop))
        thread.start()
        try:
            yield made
        finally:
            os.close(stopped)
            thread.join()
            for descriptor in (near, far, stop):
                os.close(descriptor)


def _tun(ns: Namespace, four: str, six: str) -> int:
    with ns.entered():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"wire0", _IFF_TUN | _IFF_NO_PI))
    ns.ip(f"addr add {four}/24 dev wire0", f"addr add {six}/64 dev wire0 nodad", "link set wire0 up")
    return descriptor


def _carry(near: int, far: int, fate: Fate, stop: int) -> None:
    """Until the other end of `stop` is closed."""
    under_way: list[tuple[float, int, int, bytes]] = []
    counts = {near: 0, far: 0}
    serial = 0
    while True:
        patience = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready, _, _ = select.select([near, far, stop], [], [], patience)
        if stop in ready:
            return
        now = time.monotonic()
        for descriptor in ready:
            packet = os.read(descriptor, _LONGEST)
            delay = fate(counts[descriptor], packet)
            counts[descriptor] += 1
            if delay is not None:
                serial += 1
                other = far if descriptor == near else near
                heapq.heappush(under_way, (now + delay, serial, other, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, other, packet = heapq.heappop(under_way)
            os.write(other, packet)
