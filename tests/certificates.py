"""Certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """Signs certificates; its own is `cert`."""

    folder: Path
    cert: Path
    key: Path

    def issue(self, name: str, *, client: bool = False) -> tuple[Path, Path]:
        """Certificate and key."""
        cert, key, request = (self.folder / f"{name}.{suffix}" for suffix in ("pem", "key", "csr"))
        _openssl("req", "-newkey", "ec", *_CURVE, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = self.folder / f"{name}.ext"
        use = "clientAuth" if client else "serverAuth"
        extensions.write_text(f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={use}\n")
        signing = ("-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, "-out", cert, *signing)
        return cert, key


_CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")


def authority(folder: Path, name: str = "authority") -> Authority:
    folder.mkdir(exist_ok=True)
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subject = ("-subj", f"/CN={name}", "-days", "2")
    extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    _openssl("req", "-x509", "-newkey", "ec", *_CURVE, "-nodes", "-keyout", key, "-out", cert, *subject, *extensions)
    return Authority(folder, cert, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
