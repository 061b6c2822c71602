"""Stands before everything else: who asks, by which name, how often, and how much is sent."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kindling.api.peers import peer_of
from kindling.api.problems import Problem
from kindling.api.rate import Buckets
from kindling.config import NO_FILE, Server
from kindling.config.tokens import Tokens
from kindling.wire.address import is_address

#: Of a request; nothing here takes any.
LARGEST_BODY: Final = 0
#: Of a request's path, query and headers, in bytes.
LARGEST_HEAD: Final = 16 << 10
#: Wrong tokens that one peer may show at once, and in a second on average.
_WRONG_BURST: Final = 10
_WRONG_RATE: Final = 0.2
_HEALTH: Final = "/healthz"
_METRICS: Final = "/metrics"
#: Key of the connection's state (ASGI `state`): it showed a client certificate that the authorities vouch for.
CERTIFIED: Final = "client_certificate"

_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class Guard:
    """An ASGI application around another one. `loopback`: it is reached from this host only."""

    def __init__(self, app: ASGIApp, settings: Server, *, loopback: bool = True) -> None:
        """Raises SettingError: a token file that holds none."""
        self._app = app
        self._settings = settings
        self._loopback = loopback
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._tokens = Tokens(settings.token_file) if settings.token_file != NO_FILE else None
        self._buckets = Buckets(settings.requests_per_second, settings.request_burst)
        self._wrong = Buckets(_WRONG_RATE, _WRONG_BURST)
        self._refused = 0

    def stats(self) -> dict[str, float]:
        return {"http.refused": self._refused}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            self._check(scope)
        except Problem as problem:
            self._refused += 1
            await problem.response(scope["path"])(scope, receive, _with_headers(send))
            return
        await self._app(scope, receive, _with_headers(send))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        path = scope["path"]
        _check_size(scope, headers)
        self._check_host(headers)
        peer = peer_of(scope)
        if path not in {_HEALTH, _METRICS} and (seconds := self._buckets.take(peer)):
            raise _too_many("Too many requests.", seconds)
        if self._settings.asks and path != _HEALTH and (path != _METRICS or self._settings.metrics_auth):
            self._check_caller(scope, headers, peer)

    def _check_host(self, headers: Headers) -> None:
        """A page of the web may make its own name mean 127.0.0.1 and read here in a visitor's browser (DNS
        rebinding): its name is then in the Host header.
        """
        hosts = headers.getlist("host")
        name = _name_of(hosts[0]) if len(hosts) == 1 else ""
        if not name:
            raise Problem(400, "The Host header is missing or unreadable.")
        if is_address(name) or _is_local(name) or _allowed(name, self._hosts):
            return
        if not self._hosts and not self._loopback:
            return  # by which names others know this host cannot be told
        raise Problem(
            403,
            f"The agent does not answer to the name {name[:100]!r}.",
            hint="Ask for its address or localhost, or add the name to server.allowed_hosts.",
            kind="unknown-host",
        )

    def _check_caller(self, scope: Scope, headers: Headers, peer: str) -> None:
        if scope.get("state", {}).get(CERTIFIED):
            return
        shown = headers.getlist("authorization")
        if not shown or not self._tokens:
            raise self._unauthorized("This needs a token or a client certificate.")
        if len(shown) != 1 or not self._tokens.fits(shown[0]):
            # only who shows a wrong one is held up: others may share the address
            if seconds := self._wrong.take(peer):
                raise _too_many("Too many wrong tokens.", seconds)
            raise self._unauthorized("The token is not the agent's.")

    def _unauthorized(self, detail: str) -> Problem:
        if not self._tokens:
            return Problem(401, "This needs a client certificate.", hint="Show one that the agent's client_ca signed.")
        return Problem(
            401,
            detail,
            hint="Send `Authorization: Bearer TOKEN`; a browser asks for it as password, of any user.",
            headers={"www-authenticate": 'Bearer realm="kindling", Basic realm="kindling", charset="UTF-8"'},
        )


def _check_size(scope: Scope, headers: Headers) -> None:
    head = len(scope["query_string"]) + len(scope["path"]) + sum(len(name) + len(value) for name, value in headers.raw)
    if head > LARGEST_HEAD:
        raise Problem(431, f"The request's head is larger than {LARGEST_HEAD} bytes.", headers={"connection": "close"})
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit() or int(length) > LARGEST_BODY:
        raise Problem(413, "Requests have no body here.", headers={"connection": "close"})


def _too_many(detail: str, seconds: float) -> Problem:
    after = str(max(1, math.ceil(seconds)))
    return Problem(429, detail, hint=f"Ask again in {after} s.", headers={"retry-after": after})


def _name_of(host: str) -> str:
    """Without the port and the brackets of IPv6; "" when it is none."""
    if host.startswith("["):
        address, bracket, port = host[1:].partition("]")
        return address if bracket and (not port or _is_port(port)) else ""
    name, colon, port = host.partition(":")
    return name.lower().removesuffix(".") if not colon or _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return text[0] == ":" and (text[1:].isascii() and text[1:].isdigit())


def _is_local(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _allowed(name: str, hosts: Collection[str]) -> bool:
    if name in hosts:
        return True
    return any(host.startswith("*.") and name.endswith(host[1:]) for host in hosts)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await send(message)

    return sending
