"""Who had an address when: pods give addresses back, and others get them seconds later."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Generic, TypeVar

CLOCKS: Final = 2.0
"""Seconds by which the API server's clock, whole seconds all, and this host's may differ."""
_REMEMBERED: Final = 8
"""Past claims on one address."""

T = TypeVar("T")


@dataclass(slots=True)
class Claim(Generic[T]):
    key: str
    holder: T
    since: float
    """Unix seconds."""
    until: float | None = None


class Claims(Generic[T]):
    """Claims by address, newest last. A new claim ends the one before: an address has one holder."""

    def __init__(self) -> None:
        self._by_address: dict[str, list[Claim[T]]] = {}
        self._changed: set[str] = set()

    def claim(self, address: str, key: str, holder: T, since: float) -> None:
        """`key` tells holders apart; the same one again changes what is known of it."""
        claims = self._by_address.setdefault(address, [])
        for claim in claims:
            if claim.key == key and claim.until is None:
                if claim.holder != holder:
                    claim.holder = holder
                    self._changed.add(address)
                return
        # a pod starts before it has an address: it cannot have had this one before the last holder gave it back
        since = max([since, *(claim.until for claim in claims if claim.until is not None)])
        self._changed.add(address)
        claims.append(Claim(key, holder, since))
        claims.sort(key=lambda claim: claim.since)
        for claim, following in pairwise(claims):
            if claim.until is None:
                claim.until = following.since
        del claims[:-_REMEMBERED]

    def release(self, address: str, key: str, until: float) -> None:
        for claim in self._by_address.get(address, ()):
            if claim.key == key and claim.until is None:
                claim.until = until
                self._changed.add(address)

    def at(self, address: str, when: float) -> T | None:
        """Who held the address at a time: the one who had it last among those who had it by then.

        Of two that may have had it, because clocks are coarse, the later one.
        """
        claims = self._by_address.get(address)
        if not claims:
            return None
        for claim in reversed(claims):
            if claim.since - CLOCKS <= when and (claim.until is None or when < claim.until):
                return claim.holder
        return None

    def known(self, address: str) -> bool:
        """Whether somebody had the address, now or a while ago."""
        return address in self._by_address

    def take_changed(self) -> set[str]:
        """Addresses whose holder is another one, or nobody any more, since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def expire(self, before: float) -> None:
        """Forget claims that ended before a time."""
        for address in list(self._by_address):
            left = [c for c in self._by_address[address] if c.until is None or c.until >= before]
            if left:
                self._by_address[address] = left
            else:
                del self._by_address[address]

    def __len__(self) -> int:
        return len(self._by_address)
