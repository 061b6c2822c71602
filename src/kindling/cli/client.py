"""Asking a running agent."""

from __future__ import annotations

import http.client
import json
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from kindling.config import DEFAULT_LISTEN
from kindling.errors import InputError, SettingError, UnreachableError

DEFAULT_URL = f"http://{DEFAULT_LISTEN}"
TIMEOUT_SECONDS = 10

_KINDS: Final = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def fetch(url: str, path: str, parameters: dict[str, str | int] | None = None) -> dict[str, Any]:
    """JSON of an agent. The environment's proxies are not asked: agents are near."""
    kind, host, port, base = _split(url)
    target = f"{base}{path}"
    if parameters:
        target += f"?{urlencode(parameters)}"
    connection = kind(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreachableError(url, reason.lower()) from None
    finally:
        connection.close()
    return _decode(url, response.status, body)


def agent_port(url: str) -> int | None:
    """Port of an agent, as its address says; None when it says none."""
    return _split(url)[2]


def _split(url: str) -> tuple[type[http.client.HTTPConnection], str, int | None, str]:
    """Kind of connection, host, port and path before /api."""
    try:
        parts = urlsplit(url)
        kind, host, port = _KINDS.get(parts.scheme), parts.hostname, parts.port
    except ValueError:
        raise _no_address(url) from None
    if kind is None or not host:
        raise _no_address(url)
    return kind, host, port, parts.path.rstrip("/")


def _no_address(url: str) -> SettingError:
    return SettingError(f"{url!r} is not the address of an agent.", hint=f"Write it like {DEFAULT_URL}.")


def _decode(url: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise UnreachableError(url, f"what answers there is no Kindling agent: HTTP status {status}")
    if status != http.client.OK:
        raise InputError(str(answer.get("error", f"The agent answered with HTTP status {status}.")))
    return answer
