"""The API server of these tests passes for one: kubectl asks it, with the file that the agent would read too."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver import ApiServer
from certificates import authority
from cluster_tools import kubectl, needs_kubectl
from kindling.kubernetes.access import from_kubeconfig
from kindling.kubernetes.client import Client

pytestmark = needs_kubectl

PODS = "/api/v1/pods"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    """Over TLS, with a token; `tmp_path/config` leads to it."""
    signer = authority(tmp_path / "pki")
    with ApiServer(*signer.issue("server")) as made:
        made.tokens = {"a-token"}
        document = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": f"https://127.0.0.1:{made.port}",
                        "certificate-authority-data": base64.b64encode(signer.cert.read_bytes()).decode(),
                    },
                }
            ],
            "users": [{"name": "test", "user": {"token": "a-token"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(document), encoding="utf-8")
        for namespace, name in (("shop", "web-1"), ("shop", "web-2"), ("kube-system", "dns-1")):
            made.put(PODS, {"metadata": {"name": name, "namespace": namespace}, "status": {"phase": "Running"}})
        yield made


def asked(folder: Path, *arguments: str) -> str:
    done = kubectl(*arguments, kubeconfig=folder / "config", cache=folder / "cache")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pods_of_all_namespaces(server: ApiServer, tmp_path: Path) -> None:
    lines = asked(tmp_path, "get", "pods", "-A").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["NAMESPACE", "NAME"],
        ["kube-system", "dns-1"],
        ["shop", "web-1"],
        ["shop", "web-2"],
    ]
    assert server.lists(PODS) == 1


def test_what_is_asked_for_alone(server: ApiServer, tmp_path: Path) -> None:
    of_namespace = json.loads(asked(tmp_path, "get", "pods", "-n", "shop", "-o", "json"))
    assert [each["metadata"]["name"] for each in of_namespace["items"]] == ["web-1", "web-2"]
    one: dict[str, Any] = json.loads(asked(tmp_path, "get", "pod", "web-2", "-n", "shop", "-o", "json"))
    assert one["kind"] == "Pod"
    assert one["metadata"]["resourceVersion"] == str(server.version - 1)
    chosen = asked(tmp_path, "get", "pods", "-A", "-o", "name", "--field-selector", "metadata.name=dns-1")
    assert chosen == "pod/dns-1\n"
    done = kubectl("get", "pod", "nobody", "-n", "shop", kubeconfig=tmp_path / "config", cache=tmp_path / "cache")
    assert "NotFound" in done.stderr


def test_pages(server: ApiServer, tmp_path: Path) -> None:
    assert len(asked(tmp_path, "get", "pods", "-A", "--chunk-size", "2", "-o", "name").splitlines()) == 3
    assert sum("continue" in each.parameters for each in server.asked) == 1


def test_what_kubectl_creates_is_there(server: ApiServer, tmp_path: Path) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": [{"port": 80}]},
    }
    (tmp_path / "service.json").write_text(json.dumps(service), encoding="utf-8")
    assert asked(tmp_path, "create", "-f", str(tmp_path / "service.json")) == "service/web created\n"
    assert asked(tmp_path, "get", "services", "-A", "-o", "name") == "service/web\n"


def test_the_agent_reads_the_same_file(server: ApiServer, tmp_path: Path) -> None:
    with closing(Client(from_kubeconfig(tmp_path / "config"))) as client:
        found = json.loads(client.get(PODS, {}))
    assert len(found["items"]) == 3
    assert server.asked[-1].authorization == "Bearer a-token"
