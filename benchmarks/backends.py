"""What it costs to find out who answers clients of services: `python -m benchmarks.backends`, as root.

A network namespace gets as many entries of connection tracking as are wanted. Then so many pairs of client and service
begin in each second, and the node is asked about each; against that, what dumps of the same table would cost.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from statistics import median

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kindling.agent.conntrack import Asker
from kindling.agent.memory import settle
from kindling.kubernetes.backends import Backends
from kindling.kubernetes.conntrack import Conntrack, direction, open_link
from kindling.kubernetes.objects import EndpointSlice, Service
from kindling.kubernetes.services import Services
from kindling.model.labels import FlowLabels
from kindling.model.peer import Peer
from kindling.model.workload import Workload
from kindling.wire import netlink
from live.netns import namespace

SERVICES = 200
CLIENT_PORT = 40_000
SECONDS = 5
PEER = Peer("service", "shop", "service", "web", service="web")
WORKLOAD = Workload("deployment", "web")

#: linux/netfilter/nfnetlink_conntrack.h
_NEW, _GET = 0x100, 0x101
_CREATE, _EXCLUSIVE, _DUMP = 0x400, 0x200, 0x300
_STATUS, _PROTOINFO, _TIMEOUT, _FILTER, _STATUS_MASK = 3, 4, 7, 25, 26
_SEEN_REPLY_CONFIRMED, _DST_NAT_DONE, _ESTABLISHED = 0x2 | 0x8, 0x100, 3
_ALL_OF_ORIGINAL = 0x1 | 0x2 | 0x8 | 0x20
"""Source, destination, protocol, destination's port."""


def client(number: int) -> str:
    return f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def service(number: int) -> str:
    return f"10.96.0.{1 + number % SERVICES}"


def backend(number: int) -> str:
    return f"10.200.{number % SERVICES}.{1 + number % 3}"


def fill(link: socket.socket, entries: int) -> None:
    for number in range(entries):
        ends = (ip_address(client(number)).packed, CLIENT_PORT), (ip_address(service(number)).packed, 80)
        reply = (ip_address(backend(number)).packed, 8080), ends[0]
        payload = (
            struct.pack("=BBH", socket.AF_INET, 0, 0)
            + direction(1, *ends, socket.IPPROTO_TCP)
            + direction(2, *reply, socket.IPPROTO_TCP)
            + netlink.attribute(_STATUS, struct.pack(">I", _SEEN_REPLY_CONFIRMED | _DST_NAT_DONE))
            + netlink.attribute(_TIMEOUT, struct.pack(">I", 600))
            + netlink.nested(_PROTOINFO, netlink.nested(1, netlink.attribute(1, bytes([_ESTABLISHED]))))
        )
        flags = netlink.REQUEST | netlink.ACK | _CREATE | _EXCLUSIVE
        link.send(netlink.message(_NEW, flags, number, payload))
        for _, _, span in netlink.messages(answer := link.recv(1 << 16)):
            if netlink.error_of(answer, span):
                raise OSError(netlink.error_of(answer, span), "an entry cannot be made")


def known_services() -> Services:
    made = Services()
    for number in range(SERVICES):
        metadata = {"name": f"s{number}", "namespace": "shop", "uid": f"s{number}"}
        spec = {"clusterIPs": [service(number)], "ports": [{"port": 80}]}
        made.put(msgspec.convert({"metadata": metadata, "spec": spec}, Service))
        labels = {"labels": {"kubernetes.io/service-name": f"s{number}"}}
        endpoints = [{"addresses": [f"10.200.{number}.{last}"]} for last in (1, 2, 3)]
        found = {"metadata": {**metadata, **labels}, "endpoints": endpoints, "ports": [{"port": 8080}]}
        made.put_slice(msgspec.convert(found, EndpointSlice))
    return made


def rows(numbers: range) -> list[FlowLabels]:
    return [
        FlowLabels(
            WORKLOAD, "client", "tcp", "http", client(n), service(n), 80, "", "address", inferred=False, peer=PEER
        )
        for n in numbers
    ]


class Run:
    """Seconds of an agent that sees new pairs; processor time of both threads."""

    def __init__(self, link: socket.socket) -> None:
        self.asker = Asker(Conntrack(link))
        self.backends = Backends(known_services(), lambda _endpoint, _transport, _when: None)
        self.backends.ask(self.asker)
        self.now = 1_700_000_000.0
        self.here = 0.0

    def second(self, labels: list[FlowLabels], port: int = CLIENT_PORT) -> None:
        self.now += 1.0
        begun = time.thread_time()
        for each in labels:
            self.backends.saw(each, 1, port)
        self.backends.learn(self.now)
        self.backends.take_changed()
        self.here += time.thread_time() - begun
        before = self.asker.waiting
        while before and not self.asker._answers:  # noqa: SLF001 -- what is waited for is nobody else's business
            time.sleep(0.001)

    def spent(self) -> tuple[float, float]:
        return self.here, self.asker.seconds

    def stat(self, name: str) -> int:
        return int(self.backends.stats()[f"kubernetes.backends.{name}"])


@contextmanager
def table(entries: int) -> Iterator[Callable[[], socket.socket]]:
    """Makes links to a connection tracking with so many entries."""
    with namespace("conntrack") as made:

        def link() -> socket.socket:
            with made.entered():
                return open_link()

        with link() as filling:
            fill(filling, entries)
        yield link


def pairs(link: socket.socket, per_second: int) -> str:
    run = Run(link)
    here, there = run.spent()
    for second in range(SECONDS):
        run.second(rows(range(second * per_second, (second + 1) * per_second)))
    run.second([])
    here, there = (after - before for after, before in zip(run.spent(), (here, there), strict=True))
    share = 100 * (here + there) / SECONDS
    line = (
        f"{per_second:>8} new pairs/s: {share:5.1f} % of a core ({100 * here / SECONDS:.1f} to keep, "
        f"{100 * there / SECONDS:.1f} to ask), found {run.stat('found')}, held back {run.stat('held_back')}"
    )
    run.asker.close()
    return line


def steady(link: socket.socket, known: int) -> str:
    """All pairs count in each second, each with a new connection."""
    run = Run(link)
    labels = rows(range(known))
    for _ in range(12):
        run.second(labels)
    here, there = run.spent()
    for _ in range(SECONDS):
        run.second(labels)
    here, there = (after - before for after, before in zip(run.spent(), (here, there), strict=True))
    run.asker.close()
    return f"{known:>8} known pairs, all active: {100 * (here + there) / SECONDS:5.1f} % of a core"


def dump(link: socket.socket, attributes: bytes) -> tuple[float, int]:
    """Milliseconds, and entries that came."""
    times, count = [], 0
    for _ in range(7):
        begun = time.thread_time()
        count = 0
        link.send(netlink.message(_GET, netlink.REQUEST | _DUMP, 1, struct.pack("=BBH", 2, 0, 0) + attributes))
        done = False
        while not done:
            for kind, _, _ in netlink.messages(link.recv(1 << 17)):
                done = done or kind in {netlink.DONE, netlink.ERROR}
                count += kind == _NEW
        times.append(1000 * (time.thread_time() - begun))
    return median(times), count


def dumps(link: socket.socket) -> Iterator[str]:
    ends = (ip_address(client(5)).packed, 0), (ip_address(service(5)).packed, 80)
    of_pair = netlink.nested(_FILTER, netlink.attribute(1, struct.pack("=I", _ALL_OF_ORIGINAL)))
    translated = struct.pack(">I", _DST_NAT_DONE)
    wanted = {
        "one pair": of_pair + direction(1, *ends, socket.IPPROTO_TCP),
        "all that is translated": netlink.attribute(_STATUS, translated) + netlink.attribute(_STATUS_MASK, translated),
    }
    for name, attributes in wanted.items():
        milliseconds, count = dump(link, attributes)
        yield f"dump filtered to {name}: {milliseconds:7.1f} ms for {count} entries"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=50_000)
    entries = parser.parse_args().entries
    settle()  # as the agent does
    buckets = Path("/proc/sys/net/netfilter/nf_conntrack_buckets").read_text(encoding="ascii").strip()
    print(f"connection tracking of {entries} entries in {buckets} buckets")
    with table(entries) as link:
        for per_second in (100, 1_000, 2_000, 4_000):
            print(pairs(link(), per_second))
        print(steady(link(), 2_000))
        print(steady(link(), 10_000))
        with link() as dumping:
            for line in dumps(dumping):
                print(line)


if __name__ == "__main__":
    main()
