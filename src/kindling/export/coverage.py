"""What the numbers do not contain: shown beside them, always."""

from __future__ import annotations

from typing import Any

from kindling.export import format as fmt
from kindling.model import Snapshot
from kindling.model.codes import LOST_REASONS

Record = dict[str, Any]


def coverage(snapshot: Snapshot) -> Record:
    """`lost`: how often anything was lost; `causes`: how often and since when, by cause."""
    causes = {
        cause: {
            "count": n,
            "since": snapshot.lost_since.get(cause, snapshot.since),
            "reason": LOST_REASONS.get(cause, ""),
        }
        for cause, n in snapshot.lost.items()
        if n
    }
    return {
        "time": snapshot.time,
        "since": snapshot.since,
        "lost": sum(snapshot.lost.values()),
        "causes": causes,
    }


def coverage_lines(record: Record, *, watching: bool = True) -> list[str]:
    """For people. `watching`: the numbers grow while a host is watched, they are not a file's.

    A record may bring lines of its own, its `notes`: they come first.
    """
    notes = record.get("notes", ())
    ending = ""
    if watching:
        length = fmt.span(record["time"] - record["since"])
        ending = f" · watching since {fmt.clock(record['since'])} ({length})"
    if not record["causes"]:
        return [*notes, f"0 lost{ending}"]
    lines = [*notes, f"{record['lost']} lost{ending}"]
    for cause, loss in record["causes"].items():
        since = f" since {fmt.clock(loss['since'])}" if watching else ""
        reason = f": {loss['reason']}" if loss["reason"] else ""
        lines.append(f"  {loss['count']} {cause}{since}{reason}")
    return lines
