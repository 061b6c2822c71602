"""All TCP and UDP sockets of a network namespace, asked over netlink (sock_diag(7))."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST_DUMP: Final = 0x301
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3

_NLMSGHDR: Final = Struct("=IHHII")
#: inet_diag_req_v2 of linux/inet_diag.h; the socket's id stays zero: all of them.
_REQUEST: Final = Struct("=BBBxI48x")
#: inet_diag_msg up to the cookie, and behind it: the address fields are in network order.
_SOCKET: Final = Struct(">BBBBHH16s16s")
_REST: Final = Struct("=IQIIIII")
_REST_AT: Final = 40
_MESSAGE_BYTES: Final = 72

_BUFFER: Final = 1 << 18

ESTABLISHED: Final = 1
CLOSE: Final = 7
LISTEN: Final = 10

#: include/net/tcp_states.h, without SYN_RECV, TIME_WAIT and NEW_SYN_RECV: they are no full sockets.
_STATES: Final = sum(1 << state for state in (1, 2, 4, 5, 7, 8, 9, 10, 11))


@dataclass(frozen=True, slots=True)
class Socket:
    protocol: int
    """IPPROTO_TCP or IPPROTO_UDP."""
    state: int
    local_ip: bytes
    """16 bytes as the kernel keeps them: of IPv4 the first four count."""
    local_port: int
    remote_ip: bytes
    remote_port: int
    cookie: int
    inode: int

    @property
    def everywhere(self) -> bool:
        """Bound to no address: it takes what comes to any."""
        return not any(self.local_ip)


def sockets() -> list[Socket]:
    """Of the calling thread's network namespace. Raises OSError where netlink is not allowed."""
    found: list[Socket] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as link:
        link.bind((0, 0))
        link.settimeout(10)
        for family in (socket.AF_INET, socket.AF_INET6):
            for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                found += _dump(link, family, protocol)
    return found


def _dump(link: socket.socket, family: int, protocol: int) -> Iterator[Socket]:
    request = _REQUEST.pack(family, protocol, 0, _STATES)
    length = _NLMSGHDR.size + len(request)
    header = _NLMSGHDR.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 0, 0)
    link.send(header + request)
    while True:
        data = link.recv(_BUFFER)
        done, messages = split(data)
        for message in messages:
            yield read(message, protocol)
        if done:
            return


def split(data: bytes) -> tuple[bool, list[bytes]]:
    """Messages of a netlink datagram, and whether the last one ends the dump.

    An error ends it too: a kernel without that family has no such sockets.
    """
    found: list[bytes] = []
    at = 0
    while at + _NLMSGHDR.size <= len(data):
        length, kind, _, _, _ = _NLMSGHDR.unpack_from(data, at)
        if kind in {_NLMSG_DONE, _NLMSG_ERROR} or length < _NLMSGHDR.size:
            return True, found
        body = data[at + _NLMSGHDR.size : at + length]
        if kind == _SOCK_DIAG_BY_FAMILY and len(body) >= _MESSAGE_BYTES:
            found.append(body)
        at += (length + 3) & ~3
    return not data, found


def read(message: bytes, protocol: int) -> Socket:
    """An inet_diag_msg."""
    _, state, _, _, local_port, remote_port, local_ip, remote_ip = _SOCKET.unpack_from(message)
    _, cookie, _, _, _, _, inode = _REST.unpack_from(message, _REST_AT)
    return Socket(protocol, state, local_ip, local_port, remote_ip, remote_port, cookie, inode)
