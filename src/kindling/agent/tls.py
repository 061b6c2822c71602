"""The agent's own certificate, and those of its callers."""

from __future__ import annotations

import ssl

from kindling.config import NO_FILE, Server
from kindling.errors import SettingError


def tls_context(settings: Server) -> ssl.SSLContext | None:
    """What the certificates of the settings make; None: plain HTTP. Raises SettingError."""
    if settings.tls_cert == NO_FILE:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        key = settings.tls_key if settings.tls_key != NO_FILE else None
        context.load_cert_chain(settings.tls_cert, key)
        if settings.client_ca != NO_FILE:
            context.load_verify_locations(settings.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL  # /metrics and /healthz need none; api.guard asks for the rest
    except OSError as error:  # ssl.SSLError is one: a file that holds no certificate
        reason = error.strerror or str(error)
        files = [settings.tls_cert, settings.tls_key, settings.client_ca]
        names = ", ".join(str(file) for file in files if file != NO_FILE)
        raise SettingError(
            f"The certificates ({names}) cannot be used: {reason}.", hint="PEM files are expected."
        ) from None
    return context
