"""Asking the API server: one request, or a stream of lines."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Final
from urllib.parse import urlencode

from kindling.errors import SettingError
from kindling.kubernetes.access import Access
from kindling.kubernetes.objects import DecodeError, Status, decode
from kindling.wire.http import retry_after

_CONNECT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 60.0
_LINE_BYTES: Final = 8 << 20
"""No object is larger: etcd takes 1.5 MiB at most."""
_READ_BYTES: Final = 64 << 10
_USER_AGENT: Final = "kindling"


class ApiError(Exception):
    """The API server refused, or could not be asked (code 0)."""

    def __init__(self, code: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after

    @property
    def gone(self) -> bool:
        """The resource version is too old: a new list is needed."""
        return self.code == http.client.GONE


class Client:
    """Used by one thread. A connection is kept between requests; a stream has one of its own."""

    def __init__(self, access: Access | Callable[[], Access]) -> None:
        """`access`: or how to find it; that is tried anew until it raises no SettingError."""
        self._access = access
        self._context: ssl.SSLContext | None = None
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """The whole answer. Raises ApiError."""
        for fresh in (False, True):
            reused = self._connection is not None
            try:
                connection = self._connection or self._connect(_ANSWER_SECONDS)
                self._connection = connection
                response = self._ask(connection, path, parameters)
                body = response.read()
            except (OSError, http.client.HTTPException, SettingError) as error:
                self.close()
                if reused and not fresh:
                    continue  # the server has closed an idle connection: not its fault
                raise _unreachable(error) from None
            if response.status != http.client.OK:
                raise _refused(response, body)
            return body
        raise AssertionError

    def lines(self, path: str, parameters: Mapping[str, str], silence: float) -> Iterator[bytes]:
        """Lines as they come, until the server ends the stream; returns when it has begun.

        Raises ApiError, also (from the iterator) after `silence` seconds without any.
        """
        with ExitStack() as stack:
            try:
                connection = self._connect(_ANSWER_SECONDS)
                stack.callback(connection.close)
                response = self._ask(connection, path, parameters)
                body = b"" if response.status == http.client.OK else response.read()
            except (OSError, http.client.HTTPException, SettingError) as error:
                raise _unreachable(error) from None
            if response.status != http.client.OK:
                raise _refused(response, body)
            if connection.sock:
                connection.sock.settimeout(silence)
            return _stream(response, stack.pop_all())

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _found(self) -> Access:
        """Raises SettingError."""
        if not isinstance(self._access, Access):
            self._access = self._access()
        return self._access

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        access = self._found()
        connection: http.client.HTTPConnection
        if access.tls:
            self._context = self._context or access.context()
            connection = http.client.HTTPSConnection(
                access.host, access.port, timeout=_CONNECT_SECONDS, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(access.host, access.port, timeout=_CONNECT_SECONDS)
        try:
            connection.connect()
        except BaseException as error:
            connection.close()
            if isinstance(error, ssl.SSLError):
                self._context = None  # authorities are rotated, too: they are read anew
            raise
        connection.sock.settimeout(timeout)
        return connection

    def _ask(
        self, connection: http.client.HTTPConnection, path: str, parameters: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": _USER_AGENT}
        access = self._found()
        authorization = access.authorization()
        if authorization:
            headers["Authorization"] = authorization
        connection.request("GET", f"{access.base}{path}?{urlencode(parameters)}", headers=headers)
        return connection.getresponse()


def _stream(response: http.client.HTTPResponse, connection: ExitStack) -> Iterator[bytes]:
    with connection:
        try:
            yield from _lines(response)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(error) from None


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    rest = b""
    while data := response.read1(_READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if len(rest) > _LINE_BYTES:
            raise ApiError(0, f"a watch event has more than {_LINE_BYTES >> 20} MiB")
    if rest:
        raise ApiError(0, "a watch event was cut off")


def _unreachable(error: Exception) -> ApiError:
    if isinstance(error, SettingError):
        return ApiError(0, error.message.rstrip("."))
    return ApiError(0, getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _refused(response: http.client.HTTPResponse, body: bytes) -> ApiError:
    try:
        status: Status = decode(body, Status)
        message = status.message
    except DecodeError:
        message = ""
    after = retry_after(response.getheader("Retry-After", ""), time.time())
    return ApiError(response.status, message or f"HTTP status {response.status}", after or 0.0)
