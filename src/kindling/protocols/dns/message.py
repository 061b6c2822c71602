"""DNS messages (RFC 1035 section 4): what an answer says."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 -- `error` says nothing
from typing import Final

from kindling.model.dns import DnsRecord
from kindling.protocols.dns.codes import AAAA, CNAME, HTTPS, OPT, SVCB, A, type_name
from kindling.protocols.dns.name import MalformedError, read_name
from kindling.protocols.dns.service import read_service
from kindling.wire.address import to_text

_HEADER: Final = Struct("!HHHHHH")
_QUESTION: Final = Struct("!HH")
_RECORD: Final = Struct("!HHIH")

#: RFC 1035 section 4.1.4: two bits say that the other fourteen are the offset of a name.
_POINTER: Final = 0xC000

#: Records read of one answer; those with addresses come first.
MAX_RECORDS: Final = 256

#: RFC 2181 section 8: a TTL with the top bit set counts as zero.
_TTL_MAX: Final = 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class Message:
    id: int
    is_response: bool
    rcode: int
    """Extended by EDNS where there is an OPT record."""
    question: str
    type: str
    records: tuple[DnsRecord, ...]
    truncated: bool
    """The server cut it (TC), or there was more than could be read."""


def parse(message: bytes) -> Message | None:
    """Reads as many records as there are whole ones. None when even the question is no DNS."""
    try:
        number, flags, questions, answers, authorities, additional = _HEADER.unpack_from(message)
        if questions != 1:
            return None
        question, at = read_name(message, _HEADER.size)
        kind, _ = _QUESTION.unpack_from(message, at)
    except (MalformedError, StructError):
        return None
    at += _QUESTION.size
    records, at, whole = _answers(message, at, answers)
    extended = _extended_rcode(message, at, authorities, additional) if whole else 0
    return Message(
        id=number,
        is_response=bool(flags & 0x8000),
        rcode=(flags & 0xF) | extended << 4,
        question=question,
        type=type_name(kind),
        records=records,
        truncated=bool(flags & 0x0200) or not whole,
    )


def _answers(message: bytes, at: int, count: int) -> tuple[tuple[DnsRecord, ...], int, bool]:
    """Records of the answer section, the offset behind them, and whether all were read."""
    records: list[DnsRecord] = []
    names: dict[int, str] = {}
    for _ in range(min(count, MAX_RECORDS)):
        try:
            name, kind, ttl, start, at = _record(message, at, names)
            record = _content(message, name, kind, ttl, start, at)
        except (MalformedError, StructError):
            return tuple(records), at, False
        if record:
            records.append(record)
    return tuple(records), at, count <= MAX_RECORDS


def _record(message: bytes, at: int, names: dict[int, str]) -> tuple[str, int, int, int, int]:
    """Name, type, TTL, start and end of the data of the record at an offset. `names`: those read already, by the
    compression pointer that leads there: nearly always the same one.
    """
    pointer = int.from_bytes(message[at : at + 2], "big")
    known = names.get(pointer)
    if known is not None:
        name, at = known, at + 2
    else:
        begin = at
        name, at = read_name(message, at)
        if at == begin + 2 and pointer >= _POINTER:
            names[pointer] = name
    kind, _, ttl, length = _RECORD.unpack_from(message, at)
    start = at + _RECORD.size
    if start + length > len(message):
        raise MalformedError("a record ends beyond the message")
    return name, kind, ttl if ttl <= _TTL_MAX else 0, start, start + length


def _content(message: bytes, name: str, kind: int, ttl: int, start: int, end: int) -> DnsRecord | None:
    """What a record says, if it leads to an address."""
    if kind == A and end - start == 4:
        value = "%d.%d.%d.%d" % tuple(message[start:end])  # noqa: UP031 -- five times as fast as ipaddress
        return DnsRecord(name, "A", ttl, value, (value,))
    if kind == AAAA and end - start == 16:
        value = to_text(message[start:end])
        return DnsRecord(name, "AAAA", ttl, value, (value,))
    if kind == CNAME:
        target, behind = read_name(message, start)
        if behind != end:
            raise MalformedError("a CNAME is longer than its name")
        return DnsRecord(name, "CNAME", ttl, target)
    if kind in {HTTPS, SVCB}:
        value, addresses = read_service(message, start, end)
        return DnsRecord(name, type_name(kind), ttl, value, addresses)
    return None


def _extended_rcode(message: bytes, at: int, authorities: int, additional: int) -> int:
    """Upper eight bits of the response code (RFC 6891 section 6.1.3); 0 without OPT."""
    try:
        for _ in range(min(authorities + additional, MAX_RECORDS)):
            _, behind = read_name(message, at)
            kind, _, ttl, _ = _RECORD.unpack_from(message, behind)
            if kind == OPT:
                return int(ttl) >> 24
            *_, at = _record(message, at, {})
    except (MalformedError, StructError):
        pass
    return 0
