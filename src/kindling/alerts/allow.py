"""What never alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

from kindling.export.filters import pattern
from kindling.wire.address import parsed

if TYPE_CHECKING:
    from kindling.alerts.alert import Alert
    from kindling.config import Allow

Test = Callable[["Alert"], bool]
Networks = tuple[IPv4Network | IPv6Network, ...]


class AllowList:
    def __init__(self, entries: Iterable[Allow]) -> None:
        self._tests = [_test(entry) for entry in entries]

    def __contains__(self, alert: Alert) -> bool:
        return any(test(alert) for test in self._tests)


def _test(entry: Allow) -> Test:
    """All that the entry says must fit."""
    tests: list[Test] = []
    if entry.kinds:
        tests.append(lambda alert: alert.kind in entry.kinds)
    if entry.port:
        tests.append(lambda alert: alert.port == entry.port)
    if entry.destination:
        destination = pattern([entry.destination])
        tests.append(lambda alert: bool(destination(alert.destination)))
    if entry.workload:
        workload = pattern([entry.workload])
        tests.append(lambda alert: bool(workload(alert.workload.name)))
    if entry.namespace:
        namespace = pattern([entry.namespace])
        tests.append(lambda alert: bool(namespace(alert.workload.namespace)))
    if entry.cidr:
        networks = (ip_network(entry.cidr),)
        tests.append(lambda alert: within(alert.address, networks))
    return lambda alert: all(test(alert) for test in tests)


def within(address: str, networks: Networks) -> bool:
    """Whether the address is in one of the networks; what is no address is in none."""
    ip = parsed(address)
    return ip is not None and any(ip in network for network in networks if network.version == ip.version)
