"""Names that belong together, by the Public Suffix List, and a budget for how many of them are told apart.

The list takes 5 MiB and 60 ms: it is loaded only once so many names look alike that it matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_GROUP: Final = "*."
#: Names that are kept to tell known from new ones. Beyond that every new name is grouped.
_KEPT: Final = 50_000


@lru_cache(maxsize=8_192)
def domain_of(name: str) -> str:
    """The domain that somebody registered: "example.co.uk" of "www.example.co.uk".

    Of names below a suffix that a company lets its customers use (the private part of the list), that suffix:
    "s3.amazonaws.com" of "my-bucket.s3.amazonaws.com". "*.example.com" is what belongs to "example.com". A public
    suffix itself, and a single label, are their own domain.
    """
    name = name.removeprefix(_GROUP)
    suffix = _suffixes(private=True).publicsuffix(name) or name
    registrable = _suffixes(private=False).privatesuffix(name) or name
    return max(suffix, registrable, key=len) if _below(suffix, registrable) else registrable


def _below(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


@cache
def _suffixes(*, private: bool) -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=not private)


class NameBudget:
    """Names of one domain beyond the budget become "*.DOMAIN": what is counted under them stays exact.

    Names that were admitted stay, so a row keeps its name; which ones those are is a matter of who came first.
    """

    def __init__(self, per_domain: int, domain: Callable[[str], str] = domain_of) -> None:
        self.grouped = 0
        """How often a name was asked for that is grouped."""
        self._per_domain = per_domain
        self._domain = domain
        self._names: set[str] = set()
        self._alike: Counter[str] = Counter()
        """Names by their last two labels: no registrable domain has more than that."""
        self._domains: dict[str, Counter[str]] = {}
        """Names by domain, where those that look alike are many; by their last two labels."""

    def __len__(self) -> int:
        return len(self._names)

    def admit(self, name: str) -> str:
        """The name, or the group it is counted in."""
        if name in self._names or not name or name.startswith(_GROUP):
            return name
        alike = _last_two(name)
        full = self._alike[alike] >= self._per_domain or len(self._names) >= _KEPT
        if full and not self._room(name, alike):
            self.grouped += 1
            return _GROUP + self._domain(name)
        self._names.add(name)
        self._alike[alike] += 1
        if alike in self._domains:
            self._domains[alike][self._domain(name)] += 1
        return name

    def _room(self, name: str, alike: str) -> bool:
        """Whether those that look alike only share a public suffix."""
        if len(self._names) >= _KEPT:
            return False
        domains = self._domains.get(alike)
        if domains is None:
            known = (self._domain(other) for other in self._names if _last_two(other) == alike)
            domains = self._domains[alike] = Counter(known)
        return domains[self._domain(name)] < self._per_domain


def _last_two(name: str) -> str:
    return ".".join(name.rsplit(".", 2)[-2:])
