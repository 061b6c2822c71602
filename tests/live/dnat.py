"""Addresses of services, sent on to pods by the kernel as kube-proxy has it do so.

The rules are cut down from what kube-proxy writes (pkg/proxy/{nftables,iptables,ipvs} of Kubernetes): the same hooks,
jumps, marks and actions. Pods take turns instead of being drawn by lot, so that each gets a number that can be told.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from live.netns import Namespace

Endpoint = tuple[str, int]

#: What kube-proxy marks packets with that need another source address.
_MASQUERADE: Final = "0x4000"

_NFT_BASE: Final = """
table {family} kube-proxy {{
    chain services {{ }}
    chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
    chain nat-output {{ type nat hook output priority -100; jump services; }}
    chain nat-postrouting {{
        type nat hook postrouting priority srcnat;
        meta mark & {mark} == {mark} masquerade
    }}
}}
"""
_IPTABLES_BASE: Final = """
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark --mark {mark}/{mark} -j MASQUERADE
COMMIT
"""


@dataclass(frozen=True)
class Virtual:
    """A port of a service. `address`: where it is reached; "" for a port of every address of the node."""

    address: str
    port: int
    endpoints: tuple[Endpoint, ...]
    transport: str = "tcp"

    @property
    def six(self) -> bool:
        return ip_address(self.endpoints[0][0]).version == 6

    @property
    def chain(self) -> str:
        return f"{self.transport}-{self.address.replace(':', '').replace('.', '')}-{self.port}"


class Nftables:
    """kube-proxy --proxy-mode=nftables."""

    name = "nftables"

    def missing(self) -> str:
        return ""

    def begin(self, node: Namespace) -> None:
        for family in ("ip", "ip6"):
            node.nft(_NFT_BASE.format(family=family, mark=_MASQUERADE))

    def add(self, node: Namespace, to: Virtual) -> None:
        family = "ip6" if to.six else "ip"
        rules = [f"add chain {family} kube-proxy service-{to.chain}"]
        for number, (address, port) in enumerate(to.endpoints):
            chain = f"endpoint-{to.chain}-{number}"
            rules += [
                f"add chain {family} kube-proxy {chain}",
                f"add rule {family} kube-proxy {chain} {family} saddr {address} meta mark set mark or {_MASQUERADE}",
                f"add rule {family} kube-proxy {chain} meta l4proto {to.transport} dnat to {_joined(address, port)}",
            ]
        turns = ", ".join(f"{n} : goto endpoint-{to.chain}-{n}" for n in range(len(to.endpoints)))
        where = f"{family} daddr {to.address}" if to.address else "fib daddr type local"
        rules += [
            f"add rule {family} kube-proxy service-{to.chain} numgen inc mod {len(to.endpoints)} vmap {{ {turns} }}",
            f"add rule {family} kube-proxy services {where} {to.transport} dport {to.port} goto service-{to.chain}",
        ]
        node.nft("\n".join(rules))


class Iptables:
    """kube-proxy --proxy-mode=iptables, with either of the two programs of that name."""

    def __init__(self, variant: str) -> None:
        self.name = f"iptables-{variant}"
        self._restore = f"-{variant}-restore"

    def missing(self) -> str:
        return _fails(f"iptables-{self.name.rpartition('-')[2]}", "-t", "nat", "-S")

    def begin(self, node: Namespace) -> None:
        for program in ("iptables", "ip6tables"):
            self._load(node, program, _IPTABLES_BASE.format(mark=_MASQUERADE))

    def add(self, node: Namespace, to: Virtual) -> None:
        service = f"KUBE-SVC-{_short(to.chain)}"
        where = f"-d {to.address}" if to.address else "-m addrtype --dst-type LOCAL"
        chains = [f":{service} - [0:0]"]
        rules = [f"-A KUBE-SERVICES {where} -p {to.transport} --dport {to.port} -j {service}"]
        for number, (address, port) in enumerate(to.endpoints):
            endpoint = f"KUBE-SEP-{_short(to.chain)}-{number}"
            left = len(to.endpoints) - number
            turn = f"-m statistic --mode nth --every {left} --packet 0 " if left > 1 else ""
            chains.append(f":{endpoint} - [0:0]")
            rules += [
                f"-A {service} {turn}-j {endpoint}",
                f"-A {endpoint} -s {address} -j MARK --or-mark {_MASQUERADE}",
                f"-A {endpoint} -p {to.transport} -j DNAT --to-destination {_joined(address, port)}",
            ]
        text = "\n".join(["*nat", *chains, *rules, "COMMIT", ""])
        self._load(node, "ip6tables" if to.six else "iptables", text)

    def _load(self, node: Namespace, program: str, rules: str) -> None:
        node.feed(rules, program + self._restore, "--noflush")


class Ipvs:
    """kube-proxy --proxy-mode=ipvs: addresses of services are the node's own, on an interface that leads nowhere."""

    name = "ipvs"

    def missing(self) -> str:
        return _fails("ipvsadm", "--list", "--numeric")

    def begin(self, node: Namespace) -> None:
        node.ip("link add kube-ipvs0 type dummy")
        node.set(ipv4__vs__conntrack=1)

    def add(self, node: Namespace, to: Virtual) -> None:
        kind, virtual = ("-u" if to.transport == "udp" else "-t"), _joined(to.address, to.port)
        node.ip(f"addr replace {to.address}/{'128' if to.six else '32'} dev kube-ipvs0")
        node.run("ipvsadm", "--add-service", kind, virtual, "--scheduler", "rr")
        for address, port in to.endpoints:
            node.run("ipvsadm", "--add-server", kind, virtual, "-r", _joined(address, port), "--masquerading")


Plane = Nftables | Iptables | Ipvs

PLANES: Final[tuple[Plane, ...]] = (Nftables(), Iptables("nft"), Iptables("legacy"), Ipvs())


@cache
def missing(plane: Plane) -> str:
    """Why this kernel, or this machine, does not have a data plane; "" where it does."""
    return plane.missing()


def _fails(*command: str) -> str:
    """Try a command in a network namespace of its own."""
    try:
        done = subprocess.run(["unshare", "--net", *command], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return f"{command[0]}: {error}"
    return _last(command, done.stderr) if done.returncode else ""


def _last(command: Sequence[str], said: str) -> str:
    lines = said.strip().splitlines() or ["failed"]
    built = Path("/proc/config.gz")
    return f"{command[0]}: {lines[-1]}" + (f" (see {built})" if built.exists() else "")


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _short(name: str) -> str:
    """Names of chains have at most 28 characters (XT_EXTENSION_MAXNAMELEN - 1)."""
    return blake2b(name.encode(), digest_size=8).hexdigest().upper()
