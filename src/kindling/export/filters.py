"""Which rows are wanted: one rule for the API, its streams and the command line.

Any value of a field will do; all fields that are given have to fit.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeVar

from kindling.errors import InputError

T = TypeVar("T")
Value = Callable[[T, str], Any]
"""A value of a row by the record's key; "" or None where the row has none."""
Test = Callable[[T], bool]

ROLES: Final = ("client", "server", "unknown")
TRANSPORTS: Final = ("tcp", "udp")
EVIDENCES: Final = ("host", "sni", "dns", "node-dns", "static", "address")
_CHOICES: Final = {"role": ROLES, "transport": TRANSPORTS, "evidence": EVIDENCES}

MOST_VALUES: Final = 64
"""Of one field."""
LONGEST_VALUE: Final = 255
"""A name of DNS is not longer (RFC 1035, 2.3.4)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Texts are compared without regard to case, and `*` stands for any text. Raises InputError."""

    workload: tuple[str, ...] = ()
    """Name of the workload, of its pod or of its container."""
    namespace: tuple[str, ...] = ()
    peer_workload: tuple[str, ...] = ()
    """The same of the other end, or the service or node that it is."""
    peer_namespace: tuple[str, ...] = ()
    port: tuple[int, ...] = ()
    """Of the service."""
    protocol: tuple[str, ...] = ()
    """Protocol or transport."""
    destination: tuple[str, ...] = ()
    """Name or address of the other end, or addresses as 192.0.2.0/24."""
    scope: tuple[str, ...] = ()
    """Where the other end is: public, private, link-local, loopback, own, or a network's label."""
    transport: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    """Status of requests, as number or word."""
    reason: tuple[str, ...] = ()
    """Why an event was kept."""
    search: str = ""
    """Part of a workload, pod, service, namespace, name, address, operation or status; of either end."""
    since: float | None = None
    """Unix seconds: seen at or after."""
    until: float | None = None
    """Unix seconds: seen at or before."""

    def __post_init__(self) -> None:
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, tuple):
                _check(field.name, values)
        if len(self.search) > LONGEST_VALUE:
            raise InputError(f"The text to search is longer than {LONGEST_VALUE} characters.")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise InputError("The time begins after its end: since is later than until.")
        for text in self.destination:
            _network(text)

    def test(self, value: Value[T]) -> Test[T]:
        """Whether a row is wanted."""
        tests = list(self._tests(value))
        if len(tests) == 1:
            return tests[0]
        return lambda row: all(test(row) for test in tests)

    def _tests(self, value: Value[T]) -> Iterable[Test[T]]:
        if self.port:
            yield _one_of(value, ("port",), self.port)
        if self.scope:
            yield _one_of(value, ("scope", "network"), self.scope)
        if self.protocol:
            yield _one_of(value, ("protocol", "transport"), [each.lower() for each in self.protocol])
        for name in _CHOICES:
            if chosen := getattr(self, name):
                yield _one_of(value, (name,), chosen)
        if self.reason:
            yield _one_of(value, ("reason",), self.reason)
        for key, keys in _PATTERNS:
            if chosen := getattr(self, key):
                yield _matches(value, keys, pattern(chosen))
        if self.destination:
            yield _reaches(value, self.destination)
        if self.search:
            yield _contains(value, self.search.casefold())
        if (since := self.since) is not None:
            yield lambda row: bool(value(row, "last_seen") >= since)
        if (until := self.until) is not None:
            yield lambda row: bool(value(row, "first_seen") <= until)


#: Field -> keys of a record, one of which has to fit.
_PATTERNS: Final = (
    ("workload", ("workload", "pod", "container")),
    ("namespace", ("namespace",)),
    ("peer_workload", ("peer_workload", "peer_pod", "peer_service", "peer_node")),
    ("peer_namespace", ("peer_namespace",)),
    ("status", ("status", "outcome")),
)
_SEARCHED: Final = (
    "workload",
    "namespace",
    "container",
    "pod",
    "service",
    "peer_namespace",
    "peer_workload",
    "peer_pod",
    "peer_service",
    "name",
    "destination",
    "remote_ip",
    "operation",
    "question",
    "status",
    "outcome",
)


def pattern(values: Iterable[str]) -> Callable[[str], object]:
    """Whether a text is one of the values, in which `*` stands for any text. Takes linear time: a part that
    follows a `*` is looked for once, and where it was found first is as good as any (fnmatch does the same).
    """
    return re.compile("|".join(map(_expression, values)), re.IGNORECASE | re.DOTALL).fullmatch


def _expression(value: str) -> str:
    first, *rest = map(re.escape, value.split("*"))
    if not rest:
        return first
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return f"(?:{first}{middle}.*{rest[-1]})"


def _check(name: str, values: tuple[Any, ...]) -> None:
    if len(values) > MOST_VALUES:
        raise InputError(f"{name} was given {len(values)} values; {MOST_VALUES} is the most.")
    for value in values:
        if isinstance(value, str) and len(value) > LONGEST_VALUE:
            raise InputError(f"A value of {name} is longer than {LONGEST_VALUE} characters.")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise InputError(f"{value!r} is no {name}.", hint=f"Try one of: {', '.join(_CHOICES[name])}.")
        if name == "port" and not 0 <= value <= 65_535:
            raise InputError(f"{value} is no port.", hint="Ports go from 0 to 65535.")


def _one_of(value: Value[T], keys: tuple[str, ...], wanted: Iterable[object]) -> Test[T]:
    chosen = frozenset(wanted)
    if len(keys) == 1:
        key = keys[0]
        return lambda row: value(row, key) in chosen
    return lambda row: any(value(row, key) in chosen for key in keys)


def _matches(value: Value[T], keys: tuple[str, ...], fits: Callable[[str], object]) -> Test[T]:
    return lambda row: any(fits(value(row, key) or "") for key in keys)


def _contains(value: Value[T], part: str) -> Test[T]:
    return lambda row: any(part in str(value(row, key) or "").casefold() for key in _SEARCHED)


def _reaches(value: Value[T], wanted: tuple[str, ...]) -> Test[T]:
    networks = [_Range(network) for text in wanted if (network := _network(text))]
    fits = pattern(_one_spelling(text) for text in wanted if "/" not in text) if len(networks) < len(wanted) else None

    def test(row: T) -> bool:
        addresses = value(row, "addresses") or (value(row, "remote_ip") or "",)
        if fits and any(fits(text) for key in ("destination", "name", "question") if (text := value(row, key))):
            return True
        return any((fits and fits(address)) or _within(address, networks) for address in addresses)

    return test


def _one_spelling(text: str) -> str:
    """Of an address there are many, of which rows have one."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text.removesuffix(".")


def _network(text: str) -> IPv4Network | IPv6Network | None:
    if "/" not in text:
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise InputError(
            f"{text!r} is no network.", hint="Write addresses like 192.0.2.0/24 or 2001:db8::/32."
        ) from None


class _Range:
    """A network as bytes: comparing them is quicker than making an address object of every row."""

    def __init__(self, network: IPv4Network | IPv6Network) -> None:
        self.family = socket.AF_INET6 if network.version == 6 else socket.AF_INET
        self.first = network.network_address.packed
        self.last = network.broadcast_address.packed


def _within(address: str, networks: list[_Range]) -> bool:
    if not networks or not address:
        return False
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        packed = socket.inet_pton(family, address)
    except OSError:
        return False
    return any(each.family == family and each.first <= packed <= each.last for each in networks)
