"""What `kindling check` says of a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apiserver import ApiServer
from kindling.config import Kubernetes
from kindling.kubernetes.trial import try_out


def kubeconfig(folder: Path, port: int, token: str = "secret") -> Path:
    path = folder / "kubeconfig"
    document = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "agent"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "agent", "user": {"token": token}}],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_all_may_be_read(tmp_path: Path) -> None:
    with ApiServer() as server:
        said = try_out(Kubernetes(kubeconfig=kubeconfig(tmp_path, server.port)))
        assert {asked.parameters["limit"] for asked in server.asked} == {"1"}
    assert said.endswith("shows pods, services, endpointslices, nodes")


def test_a_node_reads_its_own_pods(tmp_path: Path) -> None:
    with ApiServer() as server:
        settings = Kubernetes(mode="node", node="n1", kubeconfig=kubeconfig(tmp_path, server.port))
        assert try_out(settings).endswith("shows pods")
        (asked,) = server.asked
    assert asked.parameters["fieldSelector"] == "spec.nodeName=n1"


def test_a_token_that_is_refused(tmp_path: Path) -> None:
    with ApiServer() as server:
        server.tokens = {"another"}
        said = try_out(Kubernetes(kubeconfig=kubeconfig(tmp_path, server.port)))
    assert "pods refused (Unauthorized)" in said


def test_nobody_answers(tmp_path: Path) -> None:
    said = try_out(Kubernetes(kubeconfig=kubeconfig(tmp_path, 1)))
    assert said.startswith("API server at 127.0.0.1:1 cannot be asked: ")


@pytest.mark.parametrize("settings", [Kubernetes(), Kubernetes(mode="off")])
def test_no_cluster(settings: Kubernetes, tmp_path: Path) -> None:
    assert try_out(settings, {}, tmp_path) == ""


def test_a_cluster_that_is_wanted_and_not_there(tmp_path: Path) -> None:
    assert "no pod of a cluster" in try_out(Kubernetes(mode="cluster"), {}, tmp_path)
    assert "cannot be read" in try_out(Kubernetes(kubeconfig=tmp_path / "none"), {}, tmp_path)


def test_a_service_account_without_token(tmp_path: Path) -> None:
    in_pod = {"KUBERNETES_SERVICE_HOST": "192.0.2.1"}
    (tmp_path / "ca.crt").write_text("no certificate", encoding="ascii")
    said = try_out(Kubernetes(mode="cluster"), in_pod, tmp_path)
    assert said.startswith(f"API server at 192.0.2.1:443 cannot be asked: The certificates ({tmp_path / 'ca.crt'})")
