"""`kindling check --privacy`: what of other people's data leaves the packets, and what does not.

Sizes, protocols and fields are read from the built probe, the registry and the records, so that this cannot fall
behind them; `tests/unit/cli/test_privacy.py` looks for secrets in everything that a capture with secrets gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap
from typing import Final, Literal

from kindling.capture.image import parse_probe
from kindling.model.codes import ALPN_NAMES
from kindling.protocols.registry import ALL
from kindling.wire.btf import Btf
from kindling.wire.layout import struct_dtype

_INDENT: Final = "  "

Kept = Literal["kept", "in the kernel", "never"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that packets or processes carry."""

    what: str
    kept: Kept
    detail: str
    bytes: int = 0
    """At most so many of it; 0: no bound of its own, or none is kept."""


def items() -> list[Item]:
    """Everything, what is kept first. Raises KindlingError when the probe was not built."""
    probe = parse_probe().btf
    return [*_kept(probe), *_kernel(probe), *_never()]


def _kept(probe: Btf) -> Iterator[Item]:
    text = _size(probe, "name_slot", "text")
    head = _size(probe, "event_request", "request_head")
    message = _size(probe, "event_dns", "message")
    operations = ", ".join(protocol.name for protocol in ALL if protocol.name not in {"unknown", "tls"})
    alpn = ", ".join(name for name in ALPN_NAMES if name)
    yield Item("addresses and ports", "kept", "of both ends of every connection; counts, bytes, times")
    yield Item("process", "kept", "name, process id, path of its program; its container and systemd unit")
    yield Item(f"operations ({operations})", "kept", "HTTP method and path, DNS type and name; no query string", text)
    yield Item("variable parts of paths", "kept", "as *: numbers, UUIDs, digests, long tokens; words stay as they are")
    yield Item(
        "single slow or failed requests",
        "kept",
        "path as sent, its variable parts too, up to the query string; the latest, in memory",
        head,
    )
    yield Item("HTTP Host", "kept", "the only header whose value leaves the kernel", text)
    yield Item("TLS ClientHello", "kept", f"SNI, version, ALPN as one of {alpn}; nothing is decrypted", text)
    yield Item(
        "DNS answers",
        "kept",
        "name; A, AAAA, CNAME, HTTPS, SVCB records with their times to live; the latest, in memory",
        message,
    )


def _kernel(probe: Btf) -> Iterator[Item]:
    yield Item(
        "the bytes just read",
        "in the kernel",
        "of each TCP connection, until the next overwrite them: parts of query strings and headers among them. The "
        "first part of a head that was cut in two waits up to a minute. Never copied to user space; root could read "
        "them from the probe's maps",
        _size(probe, "stash", "window"),
    )
    yield Item("user id", "in the kernel", "of a process; not shown")


def _never() -> Iterator[Item]:
    yield Item("query strings", "never", "cut off at the question mark before anything is compared, counted or sent")
    yield Item("headers", "never", "no value but Host's: no cookie, no authorization; of others the body's length")
    yield Item("bodies", "never", "passed over by their length")
    yield Item("other DNS records", "never", "TXT, MX and the like are dropped when read")
    yield Item("what unknown protocols and TLS carry", "never", "not one byte of it: they are connections")
    yield Item("command lines, environments", "never", "not read")


def _size(probe: Btf, structure: str, member: str) -> int:
    """Bytes of a member of a structure of the probe."""
    return struct_dtype(probe, structure)[member].itemsize


def lines(found: list[Item], width: int) -> Iterator[str]:
    """For people."""
    titles = {
        "kept": "Leaves the kernel, and is shown to whom the agent lets in",
        "in the kernel": "Stays in the kernel for a while",
        "never": "Is not kept",
    }
    for kept, title in titles.items():
        yield title
        for item in found:
            if item.kept == kept:
                bound = f" (at most {item.bytes} bytes of each)" if item.bytes else ""
                yield from wrap(
                    f"{item.what}: {item.detail}{bound}",
                    width,
                    initial_indent=_INDENT,
                    subsequent_indent=_INDENT * 2,
                )
        yield ""
    yield from wrap(
        "Names, paths and addresses can be personal data themselves. Metrics, the API and the list of external "
        "destinations carry them to wherever you send these.",
        width,
    )


def document(found: list[Item]) -> dict[str, object]:
    return {
        "items": [{"what": each.what, "kept": each.kept, "bytes": each.bytes, "detail": each.detail} for each in found]
    }
