"""Which entries are asked for, by the rules of every table: any value of a field will do, all fields have to fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kindling.inventory.items import Item


@dataclass(frozen=True)
class Selection:
    """Texts are compared without regard to case; `*` stands for any text. Empty: everything fits."""

    workload: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    port: tuple[int, ...] = ()
    protocol: tuple[str, ...] = ()
    """Protocols or transports."""
    destination: tuple[str, ...] = ()
    """Names or addresses."""
    scope: tuple[str, ...] = ()
    """Scopes or network labels."""
    search: str = ""
    """Part of a workload, namespace, destination or address."""

    def fits(self, item: Item) -> bool:
        return all(test(item) for test in self._tests)

    @cached_property
    def _tests(self) -> tuple[Callable[[Item], Any], ...]:
        tests: list[Callable[[Item], Any]] = []
        if self.port:
            ports = frozenset(self.port)
            tests.append(lambda item: item.port in ports)
        if self.scope:
            scopes = frozenset(self.scope)
            tests.append(lambda item: item.scope in scopes or item.network in scopes)
        if self.protocol:
            protocols = frozenset(self.protocol)
            tests.append(lambda item: item.protocol in protocols or item.transport in protocols)
        if self.workload:
            workload = pattern(self.workload)
            tests.append(lambda item: workload(item.who.name) or workload(item.who.container))
        if self.namespace:
            namespace = pattern(self.namespace)
            tests.append(lambda item: namespace(item.who.namespace))
        if self.destination:
            destination = pattern(self.destination)
            tests.append(lambda item: destination(item.destination) or any(map(destination, item.addresses)))
        if self.search:
            part = self.search.casefold()
            tests.append(lambda item: part in _text(item))
        return tuple(tests)


def pattern(values: Iterable[str]) -> Callable[[str], object]:
    """Whether a text is one of the values, in which `*` stands for any text."""
    alternatives = ("".join(".*" if c == "*" else re.escape(c) for c in value) for value in values)
    return re.compile("|".join(f"(?:{each})" for each in alternatives), re.IGNORECASE | re.DOTALL).fullmatch


def _text(item: Item) -> str:
    who = item.who
    parts = (who.name, who.namespace, who.container, item.destination, item.addresses_text)
    return "\n".join(parts).casefold()
