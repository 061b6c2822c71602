"""The face that every protocol shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kindling.model.printable import printable

#: `status` of a request without answer (STATUS_NONE of bpf/types.h).
NO_ANSWER: Final = 0

MILLISECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Operation:
    """What was asked, without what varies from request to request."""

    label: str
    """For people: "GET /users/*"."""
    content: str
    """`request_content` of the contract: "/users/*"."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How to read what the probe says about one protocol.

    None of the functions may raise, whatever the bytes are: they come from the network.
    """

    number: int
    """In enum protocol of bpf/types.h."""
    name: str
    operation: Callable[[bytes], Operation]
    """Text of a name slot of kind NAME_OP to operation."""
    status: Callable[[int], str]
    """`response_content` of the contract; "" when no answer came."""
    is_error: Callable[[int], bool]
    request: Callable[[bytes], str] = printable
    """First bytes of a single request, for people."""
    explain: Callable[[int], str] = str
    """A status in words where there are any: "NXDOMAIN"."""
    slow_ns: int = 500 * MILLISECOND
    """A request that takes at least that long is slow."""


def no_operation(text: bytes) -> Operation:
    """For protocols whose requests are not told apart."""
    del text
    return Operation("", "")


def no_status(status: int) -> str:
    """For protocols whose requests are not followed."""
    del status
    return ""


def never(status: int) -> bool:
    """No status is an error."""
    del status
    return False
