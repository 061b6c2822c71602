"""Where names of addresses come from, besides the network; and what a range of addresses is called."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

from kindling.errors import SettingError

NetworkScope = Literal["", "public", "private", "link-local", "loopback", "own"]

_SCOPES: Final = ("", "public", "private", "link-local", "loopback", "own")
_LABEL_MAX: Final = 64
_NAME_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Network:
    """A range of addresses with a label. Of several that hold an address, the narrowest counts."""

    cidr: str
    """`10.1.0.0/16`, `2001:db8::/32`, or a single address."""
    label: str = ""
    """Shown as the network of a destination: `office`, `aws eu-west-1`."""
    scope: NetworkScope = ""
    """Overrides what the address itself says: `public`, `private`, `link-local`, `loopback` or `own`."""

    def __post_init__(self) -> None:
        check_network(self.cidr)
        if self.scope not in _SCOPES:
            raise SettingError(f"The scope {self.scope!r} is none of {', '.join(_SCOPES[1:])}.")
        if len(self.label) > _LABEL_MAX or not self.label.isprintable():
            raise SettingError(f"The label {self.label!r} must be printable and at most {_LABEL_MAX} characters long.")
        if not self.label and not self.scope:
            raise SettingError(f"The network {self.cidr} needs a label or a scope.")


@dataclass(frozen=True, slots=True)
class StaticName:
    """A name for addresses, used where the network tells none."""

    name: str
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > _NAME_MAX or not self.name.isprintable() or " " in self.name:
            raise SettingError(f"{self.name!r} is not a name.")
        for address in self.addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise SettingError(f"{address!r}, an address of {self.name}, is not an IP address.") from None


@dataclass(frozen=True, slots=True)
class NameSettings:
    """Names of remote addresses. Host and SNI of a connection and DNS answers always come first."""

    networks: tuple[Network, ...] = ()
    """Ranges of addresses with a label, a scope, or both."""
    static: tuple[StaticName, ...] = ()
    """Names of addresses that no other way tells."""
    hosts: bool = True
    """Whether /etc/hosts of this host names addresses."""
    per_domain: int = 200
    """Names of one registrable domain that are told apart. Beyond that they are grouped as `*.example.com`."""

    def __post_init__(self) -> None:
        if not 1 <= self.per_domain <= 100_000:
            raise SettingError("names.per_domain must be between 1 and 100000.")


def check_network(cidr: str) -> None:
    """Raises SettingError."""
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        raise SettingError(
            f"{cidr!r} is not a network: {error}.", hint="Write for example 10.1.0.0/16 or 2001:db8::/32."
        ) from None
