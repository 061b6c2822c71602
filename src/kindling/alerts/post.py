"""One HTTP request of a webhook, within a time and a size."""

from __future__ import annotations

import base64
import binascii
import hmac
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import kindling
from kindling.config import NO_FILE, Webhook
from kindling.config.alerts import check_url
from kindling.errors import SettingError
from kindling.wire.http import retry_after

#: Of an answer; nobody reads more of it.
_ANSWER_BYTES: Final = 16 << 10
_SECRET_LEAST: Final = 16
_SECRET_MOST: Final = 4 << 10
_WHSEC: Final = "whsec_"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: float
    """Seconds that the server asks to wait, or 0."""


def read_secret(path: Path) -> str:
    """What a file of secrets holds, without the line's end. Raises SettingError, which does not tell it."""
    try:
        with path.open("rb") as file:
            text = file.read(_SECRET_MOST + 1).strip().decode("ascii", "replace")
    except OSError as error:
        raise SettingError(f"The file {path} cannot be read: {error.strerror}.") from None
    if not text or len(text) > _SECRET_MOST or not text.isascii() or not text.isprintable() or " " in text:
        raise SettingError(f"The file {path} does not hold one line of ASCII.")
    return text


def check_files(settings: Webhook) -> None:
    """Raises SettingError when a file cannot be used."""
    _url(settings)
    if settings.secret_file != NO_FILE:
        _secret(settings)
    _tls(settings)


def host_of(settings: Webhook) -> str:
    """For messages: the rest of the address may be a secret."""
    try:
        return urlsplit(_url(settings)).hostname or "?"
    except SettingError:
        return str(settings.url_file)


def headers(settings: Webhook, body: bytes, message: str, now: int) -> dict[str, str]:
    """Those of one request. Signatures are those of standardwebhooks.com (symmetric, v1). Raises SettingError."""
    found = {
        "Content-Type": "application/json",
        "User-Agent": f"kindling/{kindling.__version__}",
        "webhook-id": message,
        "webhook-timestamp": str(now),
    }
    if settings.secret_file == NO_FILE:
        return found
    secret = _secret(settings)
    if settings.auth == "bearer":
        return found | {"Authorization": f"Bearer {secret}"}
    digest = hmac.digest(_key(secret), b"%s.%d.%s" % (message.encode(), now, body), sha256)
    return found | {"webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def post(settings: Webhook, body: bytes, message: str, now: int) -> Answer:
    """Raises OSError (ssl.SSLError, TimeoutError and socket.gaierror are some), http.client.HTTPException,
    SettingError. Redirects are not followed: the secret is for one server.
    """
    url = urlsplit(_url(settings))
    sent = headers(settings, body, message, now)
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, context=_tls(settings))
    else:
        connection = http.client.HTTPConnection(url.hostname or "", url.port)
    connection.timeout = settings.timeout
    late = threading.Event()
    timer = threading.Timer(settings.timeout, _cut, (connection, late))
    timer.daemon = True
    timer.start()
    try:
        connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, sent)
        answer = connection.getresponse()
        answer.read(_ANSWER_BYTES)
        return Answer(answer.status, retry_after(answer.getheader("Retry-After", ""), time.time()) or 0.0)
    except (OSError, http.client.HTTPException, ValueError):
        if late.is_set():
            raise TimeoutError("timed out") from None
        raise
    finally:
        timer.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """The timeout of a socket begins anew with each byte; this one does not."""
    late.set()
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already


def _url(settings: Webhook) -> str:
    if settings.url_file == NO_FILE:
        return settings.url
    url = read_secret(settings.url_file)
    check_url(url)
    return url


def _secret(settings: Webhook) -> str:
    secret = read_secret(settings.secret_file)
    if len(secret) < _SECRET_LEAST:
        raise SettingError(
            f"The secret in {settings.secret_file} is shorter than {_SECRET_LEAST} characters.",
            hint="Make one with `head -c 32 /dev/urandom | base64`.",
        )
    return secret


def _key(secret: str) -> bytes:
    if secret.startswith(_WHSEC):
        try:
            return base64.b64decode(secret.removeprefix(_WHSEC), validate=True)
        except binascii.Error:
            pass  # then it is a secret that only begins like one
    return secret.encode()


def _tls(settings: Webhook) -> ssl.SSLContext:
    """Certificates are always verified."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file if settings.ca_file != NO_FILE else None)
    except OSError as error:  # ssl.SSLError is one: a file that holds no certificate
        reason = error.strerror or "it holds no certificate"
        raise SettingError(
            f"The authorities in {settings.ca_file} cannot be used: {reason}.", hint="A PEM file is expected."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
