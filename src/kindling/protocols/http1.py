"""HTTP/1.x (RFC 9112)."""

from __future__ import annotations

import re
from typing import Final

from kindling.model.codes import ProtocolNumber
from kindling.model.printable import printable
from kindling.protocols.base import MILLISECOND, NO_ANSWER, Operation, Protocol

#: RFC 9110 section 9.1: a method is a token.
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")

#: scheme://authority of an absolute-form target (RFC 9112 section 3.2.2), sent to proxies.
_ABSOLUTE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")

#: Segments that name one thing of many: numbers, UUIDs, digests and other identifiers that mix
#: digits into hexadecimal or long text.
_VARIABLE: Final = re.compile(
    r"""
      [+-]?[0-9][0-9.,:;_-]*                             # 17, 2024-01-31, 10.0.0.1
    | \{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?  # UUID
    | (?=[a-f]*[0-9])[0-9a-f]{8,}                        # digest
    | (?=[^0-9]*[0-9])(?=[^a-z]*[a-z])[0-9a-z_=+~%.-]{20,}  # token
    """,
    re.VERBOSE | re.IGNORECASE,
)


def parse_operation(text: bytes) -> Operation:
    """`GET /users/17` to "GET /users/*" and "/users/*".

    The probe has collapsed most variable segments and cut the query string already. Doing it
    again changes nothing, and catches what needs more than a look at each byte.
    """
    method, target = split_request_line(text)
    path = collapse(printable(target))
    return Operation(f"{method} {path}" if path else method, path)


def split_request_line(text: bytes) -> tuple[str, bytes]:
    """Method and target of the start of a request line; "?" for a method that is none."""
    method, _, target = text.partition(b" ")
    name = method.decode("ascii") if _METHOD.fullmatch(method) else "?"
    target = target.partition(b" ")[0].partition(b"\r")[0].partition(b"\n")[0]
    absolute = _ABSOLUTE.match(target)
    if absolute:
        target = target[absolute.end() :] or b"/"
    return name, target.partition(b"?")[0].partition(b"#")[0]


def collapse(path: str) -> str:
    """The path with variable segments as `*`."""
    if not path.startswith("/"):
        return path  # authority of CONNECT, "*" of OPTIONS
    return "/".join("*" if _VARIABLE.fullmatch(segment) else segment for segment in path.split("/"))


def _request(head: bytes) -> str:
    """First line of a request, without version and query string."""
    method, target = split_request_line(head)
    return f"{method} {printable(target)}".rstrip()


def _status(status: int) -> str:
    return "" if status == NO_ANSWER else str(status)


def _is_error(status: int) -> bool:
    return status == NO_ANSWER or status >= 400


def _explain(status: int) -> str:
    return "no answer" if status == NO_ANSWER else str(status)


HTTP1: Final = Protocol(
    number=ProtocolNumber.HTTP1,
    name="http",
    operation=parse_operation,
    status=_status,
    is_error=_is_error,
    request=_request,
    explain=_explain,
    slow_ns=500 * MILLISECOND,
)
