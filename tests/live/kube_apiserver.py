"""A real API server, kube-apiserver on etcd, where both are here: tools/kube_apiserver/build.sh."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from certificates import Authority, authority
from e2e.conftest import free_port

SERVER: Final = Path(__file__).parents[2] / ".cache/bin/kube-apiserver"

_ADMIN: Final = "a-token-of-the-administrator"
_START_SECONDS: Final = 60.0
_KINDS: Final = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "Node": "/api/v1/nodes",
    "Namespace": "/api/v1/namespaces",
}

Object = dict[str, Any]


def missing() -> str:
    """What is not here, "" where all is."""
    if not SERVER.exists():
        return f"no {SERVER.name} in .cache/bin: tools/kube_apiserver/build.sh makes it, in ten minutes"
    return "" if shutil.which("etcd") else "no etcd: apt-get install etcd-server"


@dataclass
class KubeApiServer:
    """Speaks TLS on 127.0.0.1. The administrator makes objects; nobody but us changes them: no controller runs."""

    folder: Path
    authority: Authority
    etcd: int
    """Its port."""
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is ready."""
        cert, key = self.authority.issue("apiserver")
        account = self.folder / "account.key"
        if not account.exists():
            subprocess.run(["openssl", "genrsa", "-out", account, "2048"], check=True, capture_output=True)
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{_ADMIN},admin,1,"system:masters"\n', encoding="ascii")
        with (self.folder / "apiserver.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    SERVER,
                    f"--etcd-servers=http://127.0.0.1:{self.etcd}",
                    f"--secure-port={self.port}",
                    "--bind-address=127.0.0.1",
                    f"--cert-dir={self.folder}",
                    f"--tls-cert-file={cert}",
                    f"--tls-private-key-file={key}",
                    f"--token-auth-file={tokens}",
                    "--authorization-mode=RBAC",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    f"--service-account-key-file={account}",
                    f"--service-account-signing-key-file={account}",
                    "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/108",
                    # the controller that makes service accounts does not run
                    "--disable-admission-plugins=ServiceAccount",
                ],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + _START_SECONDS
        while not self._ready():
            assert self.process.poll() is None, self._said()
            assert time.monotonic() < end, self._said()
            time.sleep(0.1)

    def stop(self) -> None:
        """At once: open watches break off."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def kubeconfig(self, token: Path) -> Path:
        path = self.folder / f"kubeconfig-{token.name}"
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(self.authority.cert)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "who"}}],
            "clusters": [{"name": "real", "cluster": cluster}],
            "users": [{"name": "who", "user": {"token": token.read_text(), "tokenFile": str(token)}}],
        }
        path.write_text(json.dumps(document), encoding="ascii")
        return path

    def admin(self) -> Path:
        token = self.folder / "admin"
        token.write_text(_ADMIN, encoding="ascii")
        return self.kubeconfig(token)

    def account_token(self, namespace: str, name: str) -> str:
        """A token for a service account, as kubelet asks for one."""
        asked: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = self.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", asked)
        token: str = answer["status"]["token"]
        return token

    def make(self, kind: str, found: Object) -> Object:
        """Creates an object; its status, too, where it has one."""
        namespace = found["metadata"].get("namespace", "")
        path = _KINDS[kind].format(namespace)
        found = {"apiVersion": "discovery.k8s.io/v1" if kind == "EndpointSlice" else "v1", "kind": kind, **found}
        made = self.ask("POST", path, found)
        if "status" in found:
            return self.ask("PUT", f"{path}/{made['metadata']['name']}/status", {**made, "status": found["status"]})
        return made

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        self.ask("DELETE", f"{_KINDS[kind].format(namespace)}/{name}", {"gracePeriodSeconds": 0})

    def ask(self, method: str, path: str, body: Object | None = None, token: str = _ADMIN) -> Object:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = Request(f"https://127.0.0.1:{self.port}{path}", data, headers, method=method)
        context = ssl.create_default_context(cafile=self.authority.cert)
        try:
            with urlopen(request, timeout=10, context=context) as answer:
                found: Object = json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from None
        return found

    def _ready(self) -> bool:
        try:
            self.ask("GET", "/api/v1/namespaces/default")
        except (AssertionError, URLError, OSError, ValueError):
            return False
        return True

    def _said(self) -> str:
        return (self.folder / "apiserver.log").read_text(encoding="utf-8")[-4000:]


@contextmanager
def kube_apiserver(folder: Path) -> Iterator[KubeApiServer]:
    port, peers = free_port(), free_port()
    here, there = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    command = [
        "etcd",
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"),
        *("--listen-client-urls", here, "--advertise-client-urls", here),
        *("--listen-peer-urls", there, "--initial-advertise-peer-urls", there),
        *("--initial-cluster", f"default={there}"),
    ]
    with (folder / "etcd.log").open("wb") as log:
        etcd = subprocess.Popen(command, stdout=log, stderr=log)
    server = KubeApiServer(folder, authority(folder), port, free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        etcd.kill()
        etcd.wait()
