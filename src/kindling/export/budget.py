"""How many series there may be, and who may have them.

Every section of /metrics has a guaranteed share that nobody else can take; what is left of the budget goes to whoever
comes first. So a flood of one kind (20,000 paths) never drives out another (the list of destinations), and no
series that was shown has to give way to a newer one.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

#: Share of the budget that must be free before what was added up under `other` gets series of its own again.
_SPARE: Final = 0.05


class Account:
    """What one section may use."""

    def __init__(self, budget: Budget, share: float) -> None:
        self._budget = budget
        self._used = 0
        self.share = share
        self.guaranteed = int(share * budget.total)

    @property
    def used(self) -> int:
        """Series in use."""
        return self._used

    @used.setter
    def used(self, used: int) -> None:
        self._budget.claimed += max(used, self.guaranteed) - max(self._used, self.guaranteed)
        self._used = used

    def take(self, cost: int) -> bool:
        """Use so many series more, if there is room."""
        if not self._room(cost):
            return False
        self.used += cost
        return True

    @property
    def spare(self) -> bool:
        """Whether there is so much room that newcomers will not miss it."""
        return self._room(int(_SPARE * self._budget.total))

    def _room(self, cost: int) -> bool:
        beyond = self._used + cost - max(self._used, self.guaranteed)
        return beyond <= 0 or self._budget.claimed + beyond <= self._budget.total


class Budget:
    """The accounts of all sections, and what found no room."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.dropped: Counter[str] = Counter()
        """By family, each from the start: label sets that got no series of their own."""
        self.claimed = 0
        """Series in use, and those that are guaranteed and not yet in use."""
        self._accounts: list[Account] = []

    def account(self, share: float) -> Account:
        """An account with this share of the budget guaranteed."""
        opened = Account(self, share)
        self._accounts.append(opened)
        self.claimed += opened.guaranteed
        return opened

    def resize(self, total: int) -> None:
        """Another total: nobody loses what he has."""
        self.total = total
        for account in self._accounts:
            account.guaranteed = int(account.share * total)
        self.claimed = sum([max(a.used, a.guaranteed) for a in self._accounts])

    @property
    def used(self) -> int:
        return sum([a.used for a in self._accounts])
