"""In a guest: a service of IPVS as kube-proxy makes it, clients in a pod and on the host, and who answers them.

Prints `answered: ` and a JSON list: address family, transport, client, what was found.
"""

import ctypes
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kindling.kubernetes.conntrack import Connection, Conntrack, open_link

VIRTUAL = {socket.AF_INET: "10.96.0.1", socket.AF_INET6: "fd00:96::1"}
BACKEND = {socket.AF_INET: "10.244.2.10", socket.AF_INET6: "fd00:244:2::10"}
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
CLIENTS = ("pod", "host")
PORT, TARGET = 80, 8080

_LIBC = ctypes.CDLL(None, use_errno=True)
_INIT_MODULE = 313  # finit_module(2) on x86-64
_NEWNET = 0x4000_0000
_SECONDS = 30


def load(path: Path) -> None:
    # rules of kube-proxy switch connection tracking on; there are none here
    options = b"enable_hooks=1" if path.stem == "nf_conntrack" else b""
    with path.open("rb") as file:
        if _LIBC.syscall(_INIT_MODULE, file.fileno(), options, 0):
            raise OSError(ctypes.get_errno(), f"cannot load {path.stem}")


def ip(*lines: str) -> None:
    subprocess.run(["/bin/ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def wire() -> None:
    """A pod and a backend, each behind an interface of its own; the service's addresses are the node's."""
    Path("/run/netns").mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("pod", "backend"), 1):
        ip(f"netns add {name}", f"link add v{number} type veth peer name eth0 netns {name}")
        ip(
            f"addr add 10.244.{number}.1/24 dev v{number}",
            f"addr add fd00:244:{number}::1/64 dev v{number} nodad",
            f"link set v{number} up",
        )
        for inside in (
            f"addr add 10.244.{number}.10/24 dev eth0",
            f"addr add fd00:244:{number}::10/64 dev eth0 nodad",
            "link set eth0 up",
            f"route add default via 10.244.{number}.1",
            f"route add default via fd00:244:{number}::1",
        ):
            subprocess.run(["/bin/ip", "-n", name, *inside.split()], check=True)
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/vs/conntrack"):
        Path("/proc/sys/net", name).write_text("1\n")
    ip(
        "link add kube-ipvs0 type dummy",
        "link set kube-ipvs0 up",
        *(f"addr add {address} dev kube-ipvs0" for address in VIRTUAL.values()),
    )


def serve() -> None:
    for family, address in VIRTUAL.items():
        form = "[{}]:{}" if family == socket.AF_INET6 else "{}:{}"
        for flag in ("-t", "-u"):
            service = [flag, form.format(address, PORT)]
            subprocess.run(["/bin/ipvsadm", "-A", *service, "-s", "rr"], check=True)
            backend = form.format(BACKEND[family], TARGET)
            subprocess.run(["/bin/ipvsadm", "-a", *service, "-r", backend, "-m"], check=True)


def inside(name: str, work: Callable[[], socket.socket]) -> socket.socket:
    """A socket made in a network namespace; "host": in ours."""
    made: list[socket.socket] = []

    def run() -> None:
        if name != "host":
            with Path("/run/netns", name).open("rb") as file:
                _LIBC.setns(file.fileno(), _NEWNET)
        made.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return made[0]


def connection(client: str, family: socket.AddressFamily, transport: str) -> Connection:
    """One that was answered."""
    server = inside("backend", lambda: socket.socket(family, KINDS[transport]))
    caller = inside(client, lambda: socket.socket(family, KINDS[transport]))
    for each in (server, caller):
        each.settimeout(_SECONDS)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((BACKEND[family], TARGET))
    if transport == "tcp":
        server.listen()
    caller.connect((VIRTUAL[family], PORT))
    caller.send(b"a word")
    if transport == "udp":
        said, sender = server.recvfrom(100)
        server.sendto(said, sender)
    else:
        accepted, _ = server.accept()
        accepted.settimeout(_SECONDS)
        accepted.send(accepted.recv(100))
        accepted.close()
    caller.recv(100)
    own = caller.getsockname()
    server.close()
    caller.close()
    return Connection(own[0], own[1], VIRTUAL[family], PORT, transport)


def main() -> None:
    for name in os.environ["MODULES"].split(","):
        load(Path("/modules", name))
    wire()
    serve()
    conntrack = Conntrack(open_link())
    found: list[Any] = []
    for family in VIRTUAL:
        for transport in KINDS:
            for client in CLIENTS:
                (answer,) = conntrack.ask([connection(client, family, transport)])
                found.append([family.name, transport, client, answer])
    print(f"answered: {json.dumps(found)}")


if __name__ == "__main__":
    main()
