"""Which of the two text formats a scraper wants."""

from __future__ import annotations

from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OPENMETRICS: Final = "application/openmetrics-text"
_VERSIONS: Final = frozenset({"", "1.0.0"})
_PLAIN: Final = frozenset({"text/plain", "text/*", "*/*"})


def content_type(*, openmetrics: bool) -> str:
    return OPENMETRICS_TYPE if openmetrics else CONTENT_TYPE


def wants_openmetrics(accept: str) -> bool:
    """Whether an Accept header (RFC 9110, 12.5.1) names OpenMetrics 1.0.0, and nothing else more eagerly."""
    openmetrics = plain = 0.0
    for offer in accept.lower().split(","):
        media, *parameters = (part.strip() for part in offer.split(";"))
        values = dict(_pair(parameter) for parameter in parameters)
        weight = _weight(values.get("q", "1"))
        if media == _OPENMETRICS and values.get("version", "") in _VERSIONS:
            openmetrics = max(openmetrics, weight)
        elif media in _PLAIN:
            plain = max(plain, weight)
    return openmetrics > 0 and openmetrics >= plain


def _pair(parameter: str) -> tuple[str, str]:
    name, _, value = parameter.partition("=")
    return name.strip(), value.strip().strip('"')


def _weight(text: str) -> float:
    """A weight that cannot be read is none."""
    digits = text.replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdigit() else 0.0
