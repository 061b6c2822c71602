"""Values as people read them. Each function takes a value of a JSON record."""

from __future__ import annotations

import time
from typing import Any, Final

_BYTES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def text(value: Any) -> str:
    """As it is, without what would disturb a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def count(value: int) -> str:
    """0 as "-": what happened stands out."""
    return str(value) if value else "-"


def size(value: float) -> str:
    """Bytes, decimal units, three digits."""
    for unit in _BYTES:
        if value < 999.5 or unit == _BYTES[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def duration(nanoseconds: float) -> str:
    """From "640 ns" to "2.5 s"; "-" for none."""
    if not nanoseconds:
        return "-"
    if nanoseconds < 1e3:
        return f"{nanoseconds:.0f} ns"
    for factor, unit in ((1e3, "µs"), (1e6, "ms")):
        if nanoseconds < factor * 999.5:
            return _digits(nanoseconds / factor, unit)
    return _digits(nanoseconds / 1e9, "s")


def microseconds(value: float) -> str:
    return duration(value * 1e3)


def _digits(value: float, unit: str) -> str:
    if value < 9.995:
        return f"{value:.2f} {unit}"
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"


def span(seconds: float) -> str:
    """A length of time: "45 s", "12 min", "3 h", "2 d"."""
    seconds = max(0.0, seconds)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"


def clock(unix: float) -> str:
    """Local time of day, with the date when it is not today's."""
    moment = time.localtime(unix)
    today = time.localtime()[:3] == moment[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", moment)


def endpoint(address: str, port: int) -> str:
    """`host:port`, IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
