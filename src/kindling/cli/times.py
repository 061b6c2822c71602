"""Moments as people write them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?(s|m|min|h|d|w)( ago)?", re.ASCII)
_DAYS: Final = {"today": 0, "yesterday": 1}


def moment(text: str, now: float) -> float:
    """Unix seconds of "15m" (ago), "today" (its midnight), "2026-11-23", "2026-11-23T10:00+01:00" or "1700000000".

    Without a zone it is local time. Raises ValueError.
    """
    text = text.strip()
    if found := _LENGTH.fullmatch(text):
        return now - float(found[1]) * _SECONDS[found[2]]
    if (days := _DAYS.get(text)) is not None:
        midnight = datetime.fromtimestamp(now).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=days)).timestamp()
    if re.fullmatch(r"\d{9,11}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    return datetime.fromisoformat(text).astimezone().timestamp()


class Moment(click.ParamType[float]):
    """A click type: gives unix seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return moment(value, time.time())
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no time: write 15m, 2h, 3d, today, 2026-11-23 or 2026-11-23T10:00.", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del ctx, param
        return [CompletionItem(each) for each in ("15m", "1h", "1d", "7d", *_DAYS) if each.startswith(incomplete)]


TIME: Final = Moment()
