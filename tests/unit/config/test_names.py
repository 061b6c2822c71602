from __future__ import annotations

from collections.abc import Callable

import pytest

from kindling.config import NameSettings, Network, StaticName
from kindling.errors import SettingError


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Network("10.0.0.1/8", "x"), "host bits"),
        (lambda: Network("office", "x"), "not a network"),
        (lambda: Network("10.0.0.0/8"), "needs a label or a scope"),
        (lambda: Network("10.0.0.0/8", "a\nb"), "printable"),
        (lambda: Network("10.0.0.0/8", scope="inside"), "none of public"),  # type: ignore[arg-type]
        (lambda: StaticName("db", ("10.0.0",)), "not an IP address"),
        (lambda: StaticName("two words", ()), "not a name"),
        (lambda: NameSettings(per_domain=0), "per_domain"),
    ],
)
def test_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make()


def test_single_addresses_are_networks() -> None:
    assert Network("10.0.0.1", "printer").scope == ""
    assert Network("2001:db8::1", scope="own").label == ""
