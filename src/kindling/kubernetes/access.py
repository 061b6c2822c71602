"""Where the API server is and how to prove who asks: from within a pod, or by a kubeconfig file."""

from __future__ import annotations

import atexit
import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from kindling.errors import SettingError

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    host: str
    port: int
    tls: bool = True
    base: str = ""
    """Path before /api, where a proxy asks for one."""
    token_file: Path | None = None
    """Read anew for each request: kubelet rotates it."""
    token: str = field(default="", repr=False)
    ca_file: Path | None = None
    ca: str = ""
    cert_file: Path | None = None
    key_file: Path | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext | None:
        """Raises SettingError where a certificate cannot be read."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file, cadata=self.ca or None)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            files = ", ".join(str(each) for each in (self.ca_file, self.cert_file, self.key_file) if each)
            reason = error.strerror or str(error)
            raise SettingError(f"The certificates ({files or 'of the kubeconfig'}) cannot be read: {reason}.") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def authorization(self) -> str:
        """Value of the header; "" for none. Raises SettingError where the token file cannot be read."""
        token = _token(self.token_file) if self.token_file else self.token
        return f"Bearer {token}" if token else ""


def _token(path: Path) -> str:
    """Raises SettingError."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingError(f"The token file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingError(f"The token file {path} holds no token.") from None


def in_cluster(environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> Access | None:
    """Access of the service account of the pod that this process runs in; None outside a cluster. Whether its files can
    be read is found out when they are needed, each time anew.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdigit():
        return None
    return Access(host, int(port), token_file=account / "token", ca_file=account / "ca.crt")


def from_kubeconfig(path: Path, context: str = "") -> Access:
    """Access of a context (default: the current one). Client certificates, tokens and token files are understood.

    Raises SettingError.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingError(f"The kubeconfig file {path} cannot be read: {error}.") from None
    try:
        return _access(path, document, context)
    except KeyError as error:
        raise SettingError(f"The kubeconfig file {path} lacks {error}.") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingError(f"The kubeconfig file {path} is not understood: {error}.") from None


def _access(path: Path, document: dict[str, Any], context: str) -> Access:
    """Raises SettingError, and what a document of another shape causes."""
    chosen = _named(document, "contexts", context or document["current-context"])["context"]
    cluster = _named(document, "clusters", chosen["cluster"])["cluster"]
    user = _named(document, "users", chosen["user"]).get("user") or {}
    url = urlsplit(cluster["server"])
    if user.get("exec") or user.get("auth-provider"):
        raise SettingError(
            f"The user of {path} logs in by a program.", hint="Use a service account's token or a client certificate."
        )
    if not url.hostname:
        raise SettingError(f"The kubeconfig file {path} names no server.")
    tls = url.scheme == "https"
    return Access(
        host=url.hostname,
        port=url.port or (443 if tls else 80),
        tls=tls,
        base=url.path.rstrip("/"),
        token=user.get("token", ""),
        token_file=_beside(path, user.get("tokenFile")),
        ca_file=_beside(path, cluster.get("certificate-authority")),
        ca=_decoded(cluster.get("certificate-authority-data")),
        cert_file=_beside(path, user.get("client-certificate")) or _written(user.get("client-certificate-data")),
        key_file=_beside(path, user.get("client-key")) or _written(user.get("client-key-data")),
        verify=not cluster.get("insecure-skip-tls-verify"),
    )


def _named(document: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    for entry in document[kind]:
        if entry["name"] == name:
            found: dict[str, Any] = entry
            return found
    raise KeyError(f"{kind}: {name}")


def _beside(path: Path, name: str | None) -> Path | None:
    """Names of files are relative to the file that names them."""
    return path.parent / name if name else None


def _decoded(data: str | None) -> str:
    return base64.b64decode("".join(data.split()), validate=True).decode("ascii") if data else ""


def _written(data: str | None) -> Path | None:
    """`ssl` loads certificates of clients from files only."""
    if not data:
        return None
    descriptor, name = tempfile.mkstemp(prefix="kindling-", suffix=".pem")
    path = Path(name)
    atexit.register(path.unlink, missing_ok=True)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_decoded(data))
    return path
