"""The socket on which the agent answers, bound before anything else: a port in use is known at once."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from kindling.agent.tls import tls_context
from kindling.config import NO_FILE, Server
from kindling.config.tokens import read_tokens
from kindling.errors import KindlingError, PrivilegeError, SettingError
from kindling.export.format import endpoint


def open_listener(host: str, port: int) -> socket.socket:
    """A listening TCP socket; `host` is a name or an address without brackets."""
    where = endpoint(host, port)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingError(f"Cannot listen on {where}: {error.strerror or error}.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _explain(error, where) from None
    return listener


def url_of(listener: socket.socket, *, tls: bool = False) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{endpoint(host, port)}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this host can reach it."""
    return ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def check_callers(listener: socket.socket, settings: Server) -> None:
    """Whether it is settled who may ask. Raises SettingError: nothing was said, or a file cannot be used."""
    if settings.token_file != NO_FILE:
        read_tokens(settings.token_file)
    tls_context(settings)
    if settings.asks or settings.no_auth or is_loopback(listener):
        return
    host, port = listener.getsockname()[:2]
    raise SettingError(
        f"Will not listen on {endpoint(host, port)}: other hosts reach it, and nobody would be asked who he is.",
        hint="Name a token with --token-file FILE (make one: `head -c 32 /dev/urandom | base64 > FILE`), or client "
        "certificates with --tls-cert, --tls-key and --client-ca; or say --no-auth to let everybody read.",
    )


def _explain(error: OSError, where: str) -> KindlingError:
    if error.errno == errno.EADDRINUSE:
        return SettingError(
            f"Cannot listen on {where}: the port is in use.",
            hint="Is an agent running already? Otherwise choose another with --listen HOST:PORT.",
        )
    if error.errno == errno.EACCES:
        return PrivilegeError(f"Cannot listen on {where}: not permitted.")
    if error.errno == errno.EADDRNOTAVAIL:
        return SettingError(f"Cannot listen on {where}: this host has no such address.")
    return SettingError(f"Cannot listen on {where}: {error.strerror}.")
