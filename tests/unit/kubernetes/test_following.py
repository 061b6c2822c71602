"""Following a cluster as the settings say, over a real connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apiserver import ApiServer
from certificates import authority
from kindling.config import Kubernetes
from kindling.identity.pods import InPods
from kindling.kubernetes import following as following_module
from kindling.kubernetes.access import Access
from kindling.kubernetes.following import Following, follow, resources_of
from kindling.model import Workload

ID = "0123456789abcdef" * 4
UID = "8f2c6a1e-0000-4000-8000-000000000001"
CLUSTER = Kubernetes(mode="cluster", node="n1")
NODE = Kubernetes(mode="node", node="n1")
COLLECTIONS = ["/api/v1/pods", "/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes"]


def put_pod(server: ApiServer, name: str = "web-1", node: str = "n1", *, container: str = ID) -> None:
    server.put(
        "/api/v1/pods",
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": UID,
                "labels": {"pod-template-hash": "abc"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web-abc", "controller": True}],
            },
            "spec": {"nodeName": node},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": "nginx", "containerID": f"containerd://{container}"}],
            },
        },
    )


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@contextmanager
def following(
    server: ApiServer, settings: Kubernetes, said: list[str] | None = None, clock: Callable[[], float] = time.time
) -> Iterator[Following]:
    access = Access("127.0.0.1", server.port, tls=False)
    say = (said if said is not None else []).append
    found = Following(access, settings, say, chance=lambda: 0.0, clock=clock)
    found.start()
    try:
        yield found
    finally:
        found.close()
        server.drop_watches()


def synced(found: Following) -> bool:
    found.refresh()
    return found.cluster.synced


def test_the_whole_cluster() -> None:
    with ApiServer() as server:
        put_pod(server)
        put_pod(server, "other-1", "n2", container="f" * 64)
        with following(server, CLUSTER) as found:
            until(lambda: synced(found))
            assert found.pods.workload(ID, "") == Workload("deployment", "web", "shop", "nginx", "web-1")
            stats = found.stats()
            until(lambda: all(server.watches(path) == 1 for path in COLLECTIONS))
    assert stats["kubernetes.objects.pods"] >= 1
    assert (stats["kubernetes.synced"], stats["kubernetes.failing_seconds"], stats["kubernetes.pending"]) == (1, 0, 0)
    assert {stats[f"kubernetes.lists.{path.rpartition('/')[2]}"] for path in COLLECTIONS} == {1}


def test_a_node_asks_for_its_own_pods_and_nothing_else() -> None:
    with ApiServer() as server:
        put_pod(server)
        with following(server, NODE) as found:
            until(lambda: synced(found))
            until(lambda: server.watches("/api/v1/pods") == 1)
            assert not found.cluster.whole
            assert found.pods.workload(ID, UID)
    assert {asked.path for asked in server.asked} == {"/api/v1/pods"}
    assert {asked.parameters["fieldSelector"] for asked in server.asked} == {"spec.nodeName=n1"}


def test_pods_of_other_nodes_are_not_told_to_a_node() -> None:
    with ApiServer() as server:
        put_pod(server, node="n2")
        with following(server, NODE) as found:
            until(lambda: synced(found))
            assert found.pods.workload(ID, UID) is None


def test_what_changes_is_seen() -> None:
    with ApiServer() as server, following(server, CLUSTER) as found:
        until(lambda: synced(found))
        before = found.pods.changes
        put_pod(server)
        until(lambda: synced(found) and found.pods.changes > before)
        assert found.pods.workload(ID, "")


def test_an_api_server_that_is_away_is_told_of_once() -> None:
    said: list[str] = []
    clock = Clock()
    with ApiServer() as server:
        put_pod(server)
        server.refuse = 503
        with following(server, NODE, said, clock) as found:
            until(lambda: found.failing_seconds)
            found.refresh()
            assert (said, found.pods.hopeful) == ([], True)
            clock.ahead = 60.0
            assert not found.pods.hopeful
            for _ in range(3):
                found.refresh()
            assert len(said) == 1
            assert "503" in said[0] or "told to" in said[0]
            assert found.stats()["kubernetes.failing_seconds"] >= 60.0
            server.refuse = 0
            until(lambda: synced(found), 20)
            assert said[1:] == [f"the API server at 127.0.0.1:{server.port} answers again"]
            assert found.pods.hopeful


def test_names_stay_while_the_api_server_is_away() -> None:
    with ApiServer() as server:
        put_pod(server)
        with following(server, CLUSTER) as found:
            until(lambda: synced(found))
            server.refuse = 500
            server.drop_watches()
            until(lambda: found.failing_seconds)
            found.refresh()
            workload = Workload("container", ID[:12], container=ID[:12], container_id=ID[:12], pod_uid=UID)
            assert InPods(found.pods).again(workload) == Workload("deployment", "web", "shop", "nginx", "web-1")


@pytest.mark.parametrize("mode, kinds", [("node", 1), ("cluster", 4), ("auto", 4)])
def test_what_a_mode_watches(mode: str, kinds: int) -> None:
    assert len(resources_of(Kubernetes(mode=mode, node="n1"))) == kinds  # type: ignore[arg-type]


def account(folder: Path) -> Path:
    (folder / "token").write_text("secret", encoding="ascii")
    (folder / "ca.crt").write_text("", encoding="ascii")
    return folder


KUBECONFIG = """
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "{server}"}}}}]
users: [{{name: me, user: {{}}}}]
"""
IN_POD = {"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_auto_is_for_pods_with_a_service_account(tmp_path: Path) -> None:
    said: list[str] = []
    assert follow(Kubernetes(), said.append, {}, tmp_path) is None
    assert follow(Kubernetes(), said.append, IN_POD, tmp_path / "none") is None
    found = follow(Kubernetes(), said.append, IN_POD, account(tmp_path))
    assert found
    assert found.cluster.whole
    assert said == []


def test_off_is_off(tmp_path: Path) -> None:
    assert follow(Kubernetes(mode="off"), pytest.fail, IN_POD, account(tmp_path)) is None


def test_nobody_to_ask_is_no_failure(tmp_path: Path) -> None:
    said: list[str] = []
    assert follow(CLUSTER, said.append, {}, tmp_path) is None
    assert len(said) == 1
    assert "no pod of a cluster" in said[0]


def test_a_kubeconfig_that_comes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning, a gauge, and it is tried again."""
    monkeypatch.setattr(following_module, "_PATIENCE", 0.0)
    monkeypatch.setattr(following_module, "_START_SECONDS", 0.0)
    said: list[str] = []
    config = tmp_path / "config"
    with ApiServer() as server:
        put_pod(server)
        found = follow(Kubernetes(mode="node", node="n1", kubeconfig=config), said.append, {}, tmp_path)
        assert found
        found.start()
        try:
            until(lambda: found.failing_seconds)
            for _ in range(3):
                found.refresh()
            assert len(said) == 1
            assert str(config) in said[0]
            assert found.stats()["kubernetes.failing_seconds"] > 0
            config.write_text(KUBECONFIG.format(server=f"http://127.0.0.1:{server.port}"), encoding="ascii")
            until(lambda: synced(found), 20)
            assert found.pods.workload(ID, "")
            assert said[1:] == ["the API server answers again"]
        finally:
            found.close()
            server.drop_watches()


def test_a_service_account_that_comes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First there is no certificate, then one but no token, then both."""
    monkeypatch.setattr(following_module, "_PATIENCE", 0.0)
    monkeypatch.setattr(following_module, "_START_SECONDS", 0.0)
    said: list[str] = []
    signer = authority(tmp_path / "pki")
    with ApiServer(*signer.issue("server")) as server:
        server.tokens = {"secret"}
        put_pod(server)
        at = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
        found = follow(NODE, said.append, at, tmp_path)
        assert found
        found.start()
        try:
            until(lambda: found.failing_seconds)
            found.refresh()
            (tmp_path / "ca.crt").write_bytes(signer.cert.read_bytes())
            until(lambda: found.cluster.health()["pods"].problem.startswith("The token file"))
            found.refresh()
            assert len(said) == 1
            assert str(tmp_path / "ca.crt") in said[0]
            assert found.stats()["kubernetes.failing_seconds"] > 0
            (tmp_path / "token").write_text("secret", encoding="ascii")
            until(lambda: synced(found), 20)
            assert found.pods.workload(ID, "")
            assert said[1:] == [f"the API server at 127.0.0.1:{server.port} answers again"]
        finally:
            found.close()
            server.drop_watches()


def test_stopped_before_it_began() -> None:
    found = Following(Access("192.0.2.1", 443, tls=False), CLUSTER, lambda _: None, chance=lambda: 1.0)
    found.start()
    found.close()
    found._starter.join(5)
    assert not found._starter.is_alive()
    assert found.stats()["kubernetes.synced"] == 0
