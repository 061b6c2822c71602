"""Where the kernel sent a connection whose address it translated: asked of its connection tracking over netlink.

An entry is asked for by its whole tuple, the client's port included. A dump would walk every bucket of the node's table
with soft interrupts off, however narrow its filter (`ctnetlink_dump_table()` of net/netfilter/nf_conntrack_netlink.c);
`benchmarks/backends.py` shows both costs.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple

from kindling.wire import netlink

#: Numbers of linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h.
_NETLINK_NETFILTER: Final = 12
_NEW: Final = 1 << 8 | 0
_GET: Final = 1 << 8 | 1
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_V4_SRC, _V4_DST, _V6_SRC, _V6_DST = 1, 2, 3, 4
_PROTO_NUM, _SRC_PORT, _DST_PORT = 1, 2, 3

_NFGENMSG: Final = Struct("=BBH")
_NUMBERS: Final = {"tcp": 6, "udp": 17}
_PORT: Final = Struct(">H")
_SEQUENCE: Final = Struct("=I")

#: The reply of an entry of IPv4, as all kernels write it: heads of attributes, the source's address and port.
_V4_REPLY: Final = Struct("=4H4s8x2H8x2H2s")
_V4_HEADS: Final = (20, 0x8000 | _TUPLE_IP, 8, _V4_SRC, 28, 0x8000 | _TUPLE_PROTO, 6, _SRC_PORT)

_AT_ONCE: Final = 64
"""Questions in one datagram: their answers fit a socket's default buffer."""
_BUFFER: Final = 1 << 13
_PATIENCE: Final = 2.0
"""Seconds; the kernel answers within the call."""

Endpoint = tuple[str, int]


class Connection(NamedTuple):
    """As its client sees it. Addresses are text."""

    client: str
    client_port: int
    address: str
    port: int
    transport: str
    """tcp or udp"""


class Conntrack:
    """Of the network namespace in which `link` was opened. The kernel wants CAP_NET_ADMIN of whoever opened it, and of
    whoever asks.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._sequence = 0

    def ask(self, connections: Sequence[Connection]) -> list[Endpoint | None]:
        """Who answers for each; None where the kernel knows no such connection. Raises OSError where it tells none."""
        found: list[Endpoint | None] = []
        for start in range(0, len(connections), _AT_ONCE):
            found += self._ask(connections[start : start + _AT_ONCE])
        return found

    def close(self) -> None:
        self._link.close()

    def _ask(self, connections: Sequence[Connection]) -> list[Endpoint | None]:
        first = self._sequence
        self._sequence = first + len(connections) & 0x7FFF_FFFF
        self._link.send(b"".join(question(each, first + index) for index, each in enumerate(connections)))
        found: list[Endpoint | None] = [None] * len(connections)
        waiting = len(connections)
        while waiting:
            for sequence, endpoint in answers(self._link.recv(_BUFFER)):
                index = sequence - first
                if 0 <= index < len(found):  # else of a question that was given up
                    found[index] = endpoint
                    waiting -= 1
        return found


def open_link() -> socket.socket:
    """In the calling thread's network namespace. Raises OSError where this kernel has no netfilter over netlink."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        link.bind((0, 0))
        link.settimeout(_PATIENCE)
    except OSError:
        link.close()
        raise
    return link


# --- what is asked -------------------------------------------------------------------------------


def question(connection: Connection, sequence: int) -> bytes:
    """A request for the entry of a connection. Raises OSError for what is no address."""
    family = socket.AF_INET6 if ":" in connection.client else socket.AF_INET
    cut = _CUT[family, connection.transport]
    return b"".join(
        (
            cut[0],
            _SEQUENCE.pack(sequence),
            cut[1],
            socket.inet_pton(family, connection.client),
            cut[2],
            socket.inet_pton(family, connection.address),
            cut[3],
            _PORT.pack(connection.client_port),
            cut[4],
            _PORT.pack(connection.port),
            cut[5],
        )
    )


def direction(kind: int, source: tuple[bytes, int], target: tuple[bytes, int], protocol: int) -> bytes:
    """An attribute with both ends (address, port) of one direction."""
    six = len(source[0]) > 4
    return netlink.nested(
        kind,
        netlink.nested(
            _TUPLE_IP,
            netlink.attribute(_V6_SRC if six else _V4_SRC, source[0]),
            netlink.attribute(_V6_DST if six else _V4_DST, target[0]),
        ),
        netlink.nested(
            _TUPLE_PROTO,
            netlink.attribute(_PROTO_NUM, bytes([protocol])),
            netlink.attribute(_SRC_PORT, _PORT.pack(source[1])),
            netlink.attribute(_DST_PORT, _PORT.pack(target[1])),
        ),
    )


def _cut(family: int, protocol: int) -> list[bytes]:
    """A request without what differs: its sequence number, the addresses, the ports."""
    size = 16 if family == socket.AF_INET6 else 4
    end = (bytes(size), 0)
    whole = netlink.message(
        _GET, netlink.REQUEST, 0, _NFGENMSG.pack(family, 0, 0) + direction(_TUPLE_ORIG, end, end, protocol)
    )
    source = 16 + _NFGENMSG.size + 3 * 4  # behind the headers: of the message, of three attributes
    target = source + size + 4
    source_port = target + size + 4 + 8 + 4
    target_port = source_port + 8
    parts, at = [], 0
    for place, length in ((8, 4), (source, size), (target, size), (source_port, 2), (target_port, 2)):
        parts.append(whole[at:place])
        at = place + length
    return [*parts, whole[at:]]


_CUT: Final = {
    (family, name): _cut(family, number)
    for family in (socket.AF_INET, socket.AF_INET6)
    for name, number in _NUMBERS.items()
}


# --- what is answered ----------------------------------------------------------------------------


def answers(datagram: bytes) -> Iterator[tuple[int, Endpoint | None]]:
    """Number of the question and who answers for that connection, None where there is none.

    Raises OSError for what the kernel refuses altogether: without CAP_NET_ADMIN, or without connection tracking.
    """
    for kind, sequence, span in netlink.messages(datagram):
        if kind == _NEW:
            yield sequence, answering(datagram, span)
        elif kind == netlink.ERROR:
            code = netlink.error_of(datagram, span)
            if code not in {0, errno.ENOENT}:
                raise OSError(code, "connection tracking")
            yield sequence, None


def answering(data: bytes, span: netlink.Span) -> Endpoint | None:
    """From whom the answers of an entry come: the source of its reply. None where that is not told, or cut off."""
    reply = netlink.find(data, (span[0] + _NFGENMSG.size, span[1]), _TUPLE_REPLY)
    if reply[1] - reply[0] >= _V4_REPLY.size:
        *heads, port = _V4_REPLY.unpack_from(data, reply[0])
        source = heads.pop(4)
        if tuple(heads) == _V4_HEADS:
            return socket.inet_ntop(socket.AF_INET, source), _PORT.unpack(port)[0]
    ends = netlink.find(data, reply, _TUPLE_IP)
    family = socket.AF_INET
    start, end = netlink.find(data, ends, _V4_SRC)
    if start == end:
        family = socket.AF_INET6
        start, end = netlink.find(data, ends, _V6_SRC)
    at, stop = netlink.find(data, netlink.find(data, reply, _TUPLE_PROTO), _SRC_PORT)
    if end - start != (4 if family == socket.AF_INET else 16) or stop - at != _PORT.size:
        return None
    return socket.inet_ntop(family, data[start:end]), _PORT.unpack_from(data, at)[0]
