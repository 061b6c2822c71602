"""What an answer does not contain, and how it knows what it contains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from kindling.export import format as fmt
from kindling.inventory.items import Record
from kindling.inventory.query import Answer
from kindling.inventory.store import Trouble
from kindling.inventory.watching import Period
from kindling.model.codes import LOST_REASONS

#: Seconds between two times of watching that are no gap.
_NO_GAP: Final = 1.0
_WORDS: Final = {"dns": "an own DNS answer", "node-dns": "a DNS answer on this host", "static": "a static entry"}


@dataclass(frozen=True, slots=True)
class State:
    """Of the list itself."""

    path: str = ""
    entries: int = 0
    forgotten: int = 0
    """Entries forgotten to stay within the bound."""
    pending: int = 0
    dropped: int = 0
    trouble: Trouble | None = None


def coverage(answer: Answer, state: State, *, now: float, live: bool = True) -> Record:
    """As `export.coverage`, of everything since the list was begun. `live`: somebody watches now."""
    times = answer.periods
    lost: dict[str, int] = {}
    for period in times:
        for cause, count in period.lost.items():
            lost[cause] = lost.get(cause, 0) + count
    named = answer.connections - answer.by_evidence.get("address", 0)
    causes = {
        cause: {
            "count": count,
            "since": next(period.since for period in times if period.lost.get(cause)),
            "reason": LOST_REASONS.get(cause, ""),
        }
        for cause, count in lost.items()
        if count
    }
    gaps = _gaps(times, now, live=live)
    record: Record = {
        "time": now,
        "since": times[0].since if times else now,
        "lost": sum(lost.values()),
        "causes": causes,
        "connections": answer.connections,
        "named": named,
        "connections_by_evidence": answer.by_evidence,
        "watched_seconds": sum(period.seconds for period in times),
        "gaps": [{"since": since, "until": until} for since, until in gaps],
        "whole_days": answer.whole_days,
        "entries": state.entries,
        "forgotten": state.forgotten,
        "pending": state.pending,
        "dropped": state.dropped,
        "trouble": {"reason": state.trouble.reason, "since": state.trouble.since} if state.trouble else None,
    }
    record["notes"] = _notes(record, state)
    return record


def _gaps(times: Sequence[Period], now: float, *, live: bool) -> list[tuple[float, float]]:
    ends = [(one.until, other.since) for one, other in pairwise(times)]
    if times and not live:
        ends.append((times[-1].until, now))
    return [(until, since) for until, since in ends if since - until > _NO_GAP]


def _notes(record: Record, state: State) -> list[str]:
    """Lines for people."""
    notes = [_names(record)]
    gaps = record["gaps"]
    if gaps:
        seconds = sum(gap["until"] - gap["since"] for gap in gaps)
        last = gaps[-1]
        notes.append(
            f"not watched for {fmt.span(seconds)} in {_count(len(gaps), 'gap')}; "
            f"the last from {fmt.clock(last['since'])} to {fmt.clock(last['until'])}"
        )
    if record["whole_days"]:
        notes.append("numbers are those of whole days (UTC)")
    if state.forgotten:
        notes.append(f"{_count(state.forgotten, 'entry', 'entries')} idle for longest forgotten: the list was full")
    if state.trouble:
        notes.append(
            f"{state.path} cannot be written since {fmt.clock(state.trouble.since)}: {state.trouble.reason}; "
            f"{_count(state.pending, 'changed row')} in memory"
        )
    if state.dropped:
        notes.append(f"{_count(state.dropped, 'change')} lost while the disk took nothing")
    return notes


def _names(record: Record) -> str:
    total = record["connections"]
    if not total:
        return "no connection was established"
    shares = [
        f"{_share(count, total)} {_WORDS.get(evidence, evidence)}"
        for evidence, count in sorted(record["connections_by_evidence"].items(), key=lambda each: -each[1])
        if evidence != "address"
    ]
    known = f": {', '.join(shares)}" if shares else ""
    return f"{_share(record['named'], total)} of {_count(total, 'connection')} with a name{known}"


def _share(part: int, total: int) -> str:
    percent = 100 * part / total
    if 99 < percent < 100:
        return f"{min(percent, 99.9):.1f} %"
    return f"{percent:.0f} %" if percent >= 1 or not part else "<1 %"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}".replace(",", "\N{NARROW NO-BREAK SPACE}")
