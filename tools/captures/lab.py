"""Two network namespaces, client and server, with a wire between them that can be disturbed.

`tc netem` is missing on many kernels, so the wire is a program: it reads frames of one side's link from a
packet socket and writes them to the other's, dropping, doubling, delaying and swapping as a rule says. The
systems on both ends retransmit for real.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CLIENT4, SERVER4 = "10.9.0.1", "10.9.0.2"
CLIENT6, SERVER6 = "fd00:9::1", "fd00:9::2"
NOBODY4 = "10.9.0.77"  # has a neighbour entry, and nobody answers
CLONE_NEWNET = 0x40000000

# A rule sees (frame number of its direction, frame) and returns the delays in seconds after which copies of the
# frame go on: [] drops it, [0, 0] doubles it, [0.2] delays it.
Rule = Callable[[int, bytes], Sequence[float]]


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def pass_on(_number: int, _frame: bytes) -> Sequence[float]:
    return [0.0]


def has_payload(frame: bytes) -> bool:
    """Whether an Ethernet frame holds TCP over IPv4 with payload."""
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return False
    ip = (frame[14] & 15) * 4
    tcp = (frame[14 + ip + 12] >> 4) * 4
    return int.from_bytes(frame[16:18], "big") > ip + tcp


@dataclass
class Wire:
    """Carries frames between two links until stopped; runs in a child process."""

    to_server: Rule = pass_on
    to_client: Rule = pass_on
    pid: int = 0

    def start(self, namespace: str) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            try:
                enter(namespace)
                self.carry()
            finally:
                os._exit(1)

    def carry(self) -> None:
        ends = []
        for name in ("m0", "m1"):
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            end.bind((name, 3))
            end.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
            ends.append(end)
        counts = [0, 0]
        waiting: list[tuple[float, int, int, bytes]] = []
        order = 0
        while True:
            patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            for ready in select.select(ends, [], [], patience)[0]:
                side = ends.index(ready)
                frame = ready.recv(65536)
                rule = self.to_server if side == 0 else self.to_client
                for delay in rule(counts[side], frame):
                    heapq.heappush(waiting, (time.monotonic() + delay, order, 1 - side, frame))
                    order += 1
                counts[side] += 1
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, to, frame = heapq.heappop(waiting)
                ends[to].send(frame)


def tunnel_end(namespace: str, name: str) -> int:
    """A tun device in a namespace: what is written to it comes out of the link, without any link header."""
    enter(namespace)
    handle = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(
        handle, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0001 | 0x1000)
    )  # TUNSETIFF, IFF_TUN | IFF_NO_PI
    return handle


def carry_tunnel(ends: Sequence[tuple[str, str]]) -> int:
    """Joins two tun devices; returns the pid of the program that does."""
    pid = os.fork()
    if pid:
        time.sleep(0.3)
        return pid
    try:
        handles = [tunnel_end(*end) for end in ends]
        while True:
            for ready in select.select(handles, [], [])[0]:
                packet = os.read(ready, 65536)
                with contextlib.suppress(OSError):  # the other end is not up yet
                    os.write(handles[1 - handles.index(ready)], packet)
    finally:
        os._exit(1)


def enter(namespace: str) -> None:
    with Path(f"/run/netns/{namespace}").open("rb") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


@dataclass
class Lab:
    """The namespaces, by prefix: `<prefix>c`, `<prefix>s`, `<prefix>m` (the wire between)."""

    prefix: str = "kcap"
    scratch: Path = Path("/tmp/kindling-captures")
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    wire: Wire = field(default_factory=Wire)

    @property
    def client(self) -> str:
        return self.prefix + "c"

    @property
    def server(self) -> str:
        return self.prefix + "s"

    def up(self) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.down()
        for name in (self.client, self.server, self.prefix + "m"):
            run("ip", "netns", "add", name)
            self.ip(name, "link", "set", "lo", "up")
        for name, end, middle, v4, v6 in (
            (self.client, "c0", "m0", CLIENT4, CLIENT6),
            (self.server, "s0", "m1", SERVER4, SERVER6),
        ):
            run(
                "ip",
                "link",
                "add",
                end,
                "netns",
                name,
                "type",
                "veth",
                "peer",
                "name",
                middle,
                "netns",
                self.prefix + "m",
            )
            self.ip(self.prefix + "m", "link", "set", middle, "up")
            self.ip(name, "addr", "add", f"{v4}/24", "dev", end)
            self.ip(name, "addr", "add", f"{v6}/64", "dev", end, "nodad")
            self.ip(name, "link", "set", end, "up")
            for space, link in ((name, end), (self.prefix + "m", middle)):
                # Whole packets with right checksums, as a network card would send them.
                run(
                    "ip",
                    "netns",
                    "exec",
                    space,
                    "ethtool",
                    "-K",
                    link,
                    "tx",
                    "off",
                    "tso",
                    "off",
                    "gso",
                    "off",
                    "gro",
                    "off",
                )
        self.ip(self.client, "neigh", "add", NOBODY4, "lladdr", "02:00:00:00:00:77", "dev", "c0")
        self.set_wire(Wire())

    def ip(self, namespace: str, *words: str) -> None:
        run("ip", "-n", namespace, *words)

    def set_wire(self, wire: Wire) -> None:
        self.stop_wire()
        self.wire = wire
        wire.start(self.prefix + "m")
        time.sleep(0.2)

    def stop_wire(self) -> None:
        if self.wire.pid:
            os.kill(self.wire.pid, signal.SIGKILL)
            os.waitpid(self.wire.pid, 0)
            self.wire.pid = 0

    def down(self) -> None:
        self.stop_wire()
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait()
        self.running.clear()
        for name in (self.client, self.server, self.prefix + "m"):
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)

    def spawn(self, namespace: str, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    def call(self, *command: str, namespace: str = "", stdin: bytes = b"", timeout: float = 30) -> None:
        """Runs a program on the client; how it ends does not matter, the packets do."""
        subprocess.run(
            ["ip", "netns", "exec", namespace or self.client, *command],
            input=stdin,
            timeout=timeout,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @contextlib.contextmanager
    def inside(self, namespace: str) -> Iterator[None]:
        """This process in another network namespace."""
        with Path("/proc/self/ns/net").open("rb") as home:
            enter(namespace)
            try:
                yield
            finally:
                ctypes.CDLL(None).setns(home.fileno(), CLONE_NEWNET)

    @contextlib.contextmanager
    def capture(self, to: Path, *options: str, namespace: str = "", link: str = "c0", only: str = "") -> Iterator[None]:
        """tcpdump on the client's link while the block runs."""
        command = ["tcpdump", "-i", link, "-U", "-w", str(to), "-Z", "root", "--immediate-mode", *options]
        expression = only or "tcp or udp or (ip6 proto 60) or (ip[6:2] & 0x1fff != 0)"
        process = self.spawn(namespace or self.client, *command, *expression.split())
        deadline = time.monotonic() + 5
        while not (to.exists() and to.stat().st_size >= 24) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)
        yield
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
        process.wait()
        self.running.remove(process)
