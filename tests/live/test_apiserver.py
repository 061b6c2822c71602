"""The real kube-apiserver: its lists, pages, watches and refusals, its answers to our manifest and to our rights."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kindling.config import Kubernetes
from kindling.kubernetes import reflect
from kindling.kubernetes.following import Following, follow
from kindling.model.peer import Peer
from live.kube_apiserver import KubeApiServer, kube_apiserver, missing

pytestmark = [
    pytest.mark.root,
    pytest.mark.live,
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is here"),
]

REPO = Path(__file__).parents[2]
KUBECTL = REPO / ".cache/bin/kubectl"
NODE = "worker-1"
RESOURCES = {"pods", "services", "endpointslices", "nodes"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiServer]:
    with kube_apiserver(tmp_path_factory.mktemp("kube")) as made:
        made.make("Namespace", {"metadata": {"name": "shop"}})
        made.make(
            "Node",
            {
                "metadata": {"name": NODE},
                "spec": {"podCIDRs": ["10.244.1.0/24"], "podCIDR": "10.244.1.0/24"},
                "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]},
            },
        )
        yield made


@pytest.fixture(scope="module")
def manifest(server: KubeApiServer) -> KubeApiServer:
    """What we ship was applied."""
    if not KUBECTL.exists():
        pytest.skip("no kubectl in .cache/bin: tools/setup/cluster_tools.py puts it there")
    command = map(str, [KUBECTL, "--kubeconfig", server.admin(), "apply", "-f", REPO / "deploy/kindling.yaml"])
    done = subprocess.run([*command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "daemonset.apps/kindling created" in done.stdout
    # 1.34 says that of every headless service, whose default that is
    assert done.stderr in {"", "Warning: spec.SessionAffinity is ignored for headless services\n"}
    return server


def pod(name: str, address: str, container: str = "a" * 64) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"pod-template-hash": "7d4b9c"},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9c", "uid": "1", "controller": True}
            ],
        },
        "spec": {"nodeName": NODE, "containers": [{"name": "web", "image": "web"}]},
        "status": {
            "phase": "Running",
            "startTime": "2026-01-01T00:00:00Z",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": [
                {"name": "web", "containerID": f"containerd://{container}", "image": "web", "imageID": "web",
                 "ready": True, "restartCount": 0},
            ],
        },
    }  # fmt: skip


@contextmanager
def following(server: KubeApiServer, token: Path, mode: Any = "cluster") -> Iterator[Following]:
    said: list[str] = []
    settings = Kubernetes(mode=mode, node=NODE, kubeconfig=server.kubeconfig(token))
    made = follow(settings, said.append)
    assert made is not None, said
    made._delay = 0.0  # agents of a rollout do not ask all at once
    made.start()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def token(manifest: KubeApiServer, tmp_path: Path) -> Path:
    """Of the DaemonSet's service account: it may do what the manifest's ClusterRole lets it, no more."""
    path = tmp_path / "token"
    path.write_text(manifest.account_token("kindling", "kindling"), encoding="ascii")
    return path


def until(made: Following, true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    made.refresh()
    while not true():
        assert time.monotonic() < end, made.cluster.health()
        time.sleep(0.02)
        made.refresh()


def peer(made: Following, address: str, port: int = 80) -> Peer | None:
    return made.cluster.peer(address, port, "tcp", time.time())


def name_of(found: Peer | None) -> tuple[str, str, str]:
    return (found.workload_kind, found.workload_name, found.pod) if found else ("", "", "")


def test_all_kinds_with_the_rights_of_the_manifest(server: KubeApiServer, token: Path) -> None:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}
    service = server.make("Service", {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
    server.make("Pod", pod("web-7d4b9c-aaaaa", "10.244.1.10"))
    server.make(
        "EndpointSlice",
        {
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.244.1.10"]}],
            "ports": [{"port": 8080, "protocol": "TCP"}],
        },
    )
    with following(server, token) as made:
        until(made, lambda: made.cluster.synced)
        assert set(made.cluster.health()) == RESOURCES
        assert peer(made, "10.244.1.10", 8080) == Peer(
            "pod", "shop", "deployment", "web", pod="web-7d4b9c-aaaaa", service="web", node=NODE, node_ip="172.18.0.2"
        )
        behind = peer(made, service["spec"]["clusterIP"])
        assert behind is not None
        assert (behind.kind, behind.service, behind.pod) == ("service", "web", "web-7d4b9c-aaaaa")
        assert name_of(peer(made, "172.18.0.2", 22)) == ("node", NODE, "")
        until(made, lambda: name_of(peer(made, "10.96.0.1", 443)) == ("service", "kubernetes", ""))
        found = made.cluster.container("a" * 64)
        assert found is not None
        assert (found.pod.name, found.name) == ("web-7d4b9c-aaaaa", "web")
        # and what comes, changes and goes while it is watched
        server.make("Pod", pod("web-7d4b9c-bbbbb", "10.244.1.11"))
        until(made, lambda: name_of(peer(made, "10.244.1.11")) == ("deployment", "web", "web-7d4b9c-bbbbb"))
        server.delete("Pod", "web-7d4b9c-bbbbb", "shop")
        until(made, lambda: len(made.cluster.pods) == 1)
        assert {name: (h.lists, h.errors, h.undecodable) for name, h in made.cluster.health().items()} == dict.fromkeys(
            RESOURCES, (1, 0, 0)
        )


def test_pods_on_the_nodes_network(server: KubeApiServer, token: Path) -> None:
    """The server writes down which ports of the node they have, though they name those of containers only."""
    declares = pod("web-7d4b9c-hosty", "172.18.0.2", "b" * 64)
    declares["spec"] |= {"hostNetwork": True}
    declares["spec"]["containers"][0]["ports"] = [{"containerPort": 9100}]
    server.make("Pod", declares)
    listed = pod("web-7d4b9c-hostz", "172.18.0.2", "c" * 64)
    listed["spec"] |= {"hostNetwork": True}
    made_pod = server.make("Pod", listed)
    reference = {"kind": "Pod", "name": "web-7d4b9c-hostz", "namespace": "shop", "uid": made_pod["metadata"]["uid"]}
    server.make(
        "EndpointSlice",
        {
            "metadata": {"name": "host-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "host"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["172.18.0.2"], "nodeName": NODE, "targetRef": reference}],
            "ports": [{"port": 8443, "protocol": "TCP"}],
        },
    )
    with following(server, token) as made:
        until(made, lambda: made.cluster.synced)
        found = {port: name_of(peer(made, "172.18.0.2", port))[2] for port in (9100, 8443, 22)}
        assert found == {9100: "web-7d4b9c-hosty", 8443: "web-7d4b9c-hostz", 22: ""}


def test_the_mode_for_one_node(server: KubeApiServer, token: Path) -> None:
    elsewhere = pod("web-7d4b9c-zzzzz", "10.244.2.10")
    elsewhere["spec"]["nodeName"] = "worker-2"
    server.make("Pod", elsewhere)
    server.make("Pod", pod("web-7d4b9c-ccccc", "10.244.1.12"))
    with following(server, token, "node") as made:
        until(made, lambda: made.cluster.synced)
        assert set(made.cluster.health()) == {"pods"}
        assert name_of(peer(made, "10.244.1.12")) == ("deployment", "web", "web-7d4b9c-ccccc")
        assert peer(made, "10.244.2.10") is None


def test_pages(server: KubeApiServer, token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect, "_PAGE", "3")
    for number in range(100, 110):
        server.make("Pod", pod(f"web-7d4b9c-{number}", f"10.244.1.{number}"))
    with following(server, token) as made:
        until(made, lambda: made.cluster.synced)
        assert {name_of(peer(made, f"10.244.1.{n}"))[2] for n in range(100, 110)} == {
            f"web-7d4b9c-{n}" for n in range(100, 110)
        }


def test_a_token_that_is_refused_and_then_another(server: KubeApiServer, token: Path) -> None:
    good = token.read_text(encoding="ascii")
    token.write_text("nonsense", encoding="ascii")
    with following(server, token) as made:
        until(made, lambda: all(h.errors for h in made.cluster.health().values()))
        assert "Unauthorized" in made.cluster.health()["pods"].problem
        token.write_text(good, encoding="ascii")
        until(made, lambda: made.cluster.synced)
        until(made, lambda: not made.failing_seconds)


def test_the_server_dies_and_comes_back(server: KubeApiServer, token: Path) -> None:
    """A server that has just started knows no older versions (410): what is watched is read once more at most."""
    with following(server, token) as made:
        until(made, lambda: made.cluster.synced)
        server.stop()
        until(made, lambda: made.failing_seconds > 0)
        server.start()
        server.make("Pod", pod("web-7d4b9c-later", "10.244.1.60"))
        until(made, lambda: name_of(peer(made, "10.244.1.60"))[2] == "web-7d4b9c-later", 40)
        until(made, lambda: not made.failing_seconds)
        assert {h.lists for h in made.cluster.health().values()} <= {1, 2}
