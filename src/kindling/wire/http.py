"""Fields of HTTP that say the same to whoever asks."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a Retry-After asks for (RFC 9110 section 10.2.3: a number of them, or a date); None for
    what is neither.

    `now`: unix seconds. Whoever waits has to set a bound: up to 31 years may be asked for.
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
