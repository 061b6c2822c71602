"""Sockets that are older than the agent: whose they are, and which side they take."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP
from typing import Final

from kindling.identity import netns, sockdiag
from kindling.identity.proc import PROC, pids
from kindling.identity.sockdiag import CLOSE, LISTEN, Socket
from kindling.model.codes import RoleNumber

_PORT_RANGE: Final = "sys/net/ipv4/ip_local_port_range"
_PORT_RANGE_DEFAULT: Final = (32_768, 60_999)
_INODE: Final = "socket:["


@dataclass(frozen=True, slots=True)
class OlderSocket:
    cookie: int
    """The same number that the probe gets from bpf_get_socket_cookie."""
    role: RoleNumber
    pid: int
    """0: no process that we may look at holds it."""


def older_sockets(proc: Path = PROC) -> list[OlderSocket]:
    """All TCP and UDP sockets of all network namespaces that can be entered."""
    low, _ = ephemeral_ports(proc)
    found: list[tuple[Socket, RoleNumber]] = []
    for path in netns.namespaces(proc).values():
        try:
            found += assign_roles(netns.in_namespace(path, sockdiag.sockets), low)
        except OSError:
            continue  # gone meanwhile, or not ours to enter
    owners = socket_owners(proc)
    return [OlderSocket(s.cookie, role, owners.get(s.inode, 0)) for s, role in found]


def assign_roles(sockets: Iterable[Socket], ephemeral_low: int) -> list[tuple[Socket, RoleNumber]]:
    """Who called whom is not kept anywhere: listening ports tell, else the ephemeral range does."""
    sockets = list(sockets)
    serving = {(s.protocol, s.local_port, b"" if s.everywhere else s.local_ip) for s in sockets if _serves(s)}
    return [(s, _role(s, serving, ephemeral_low)) for s in sockets]


def ephemeral_ports(proc: Path = PROC) -> tuple[int, int]:
    """Local ports that the kernel chooses for clients."""
    try:
        low, high = (proc / _PORT_RANGE).read_text(encoding="ascii").split()
        return int(low), int(high)
    except (OSError, ValueError):
        return _PORT_RANGE_DEFAULT


def socket_owners(proc: Path = PROC) -> dict[int, int]:
    """Process by inode of the socket; of several that share one, the first."""
    owners: dict[int, int] = {}
    for pid in pids(proc):
        folder = f"{proc}/{pid}/fd"
        try:
            numbers = os.listdir(folder)
        except OSError:
            continue
        for number in numbers:
            try:
                target = os.readlink(f"{folder}/{number}")
            except OSError:
                continue
            if target.startswith(_INODE):
                owners.setdefault(int(target[len(_INODE) : -1]), pid)
    return owners


def _serves(s: Socket) -> bool:
    """Waits for others. A UDP socket without remote does, if its port was chosen by its program."""
    return s.state == (LISTEN if s.protocol == IPPROTO_TCP else CLOSE) and s.remote_port == 0


def _role(s: Socket, serving: set[tuple[int, int, bytes]], ephemeral_low: int) -> RoleNumber:
    if _serves(s):
        if s.protocol == IPPROTO_TCP or 0 < s.local_port < ephemeral_low:
            return RoleNumber.SERVER
        return RoleNumber.UNKNOWN
    if s.remote_port == 0:
        return RoleNumber.UNKNOWN
    served = {(s.protocol, s.local_port, b""), (s.protocol, s.local_port, s.local_ip)}
    if s.protocol == IPPROTO_TCP and served & serving:
        return RoleNumber.SERVER
    if s.local_port < ephemeral_low <= s.remote_port:
        return RoleNumber.SERVER  # whoever listened here has stopped to
    return RoleNumber.CLIENT
