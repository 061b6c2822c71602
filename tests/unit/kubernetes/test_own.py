"""The pods of this node, as identity asks for them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.objects import Pod
from kindling.kubernetes.own import OwnPods
from kindling.kubernetes.reflect import Change, Reflector, Resource
from kindling.model import Workload

NOW = 1_700_000_000.0
ID = "0123456789abcdef" * 4
HASH = "0123456789abcdef0123456789abcdef"


def pod(name: str, *, node: str = "n1", status: dict[str, Any] | None = None, **metadata: Any) -> Pod:
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", **metadata},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", **(status or {})},
        },
        Pod,
    )


def container(name: str, identity: str = ID, runtime: str = "containerd") -> dict[str, str]:
    return {"name": name, "containerID": f"{runtime}://{identity}"}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(node="n1")


@pytest.fixture
def own(cluster: Cluster) -> OwnPods:
    return OwnPods(cluster)


def put(cluster: Cluster, found: Pod) -> None:
    cluster.apply(Pod, Change("put", found), NOW)


def delete(cluster: Cluster, found: Pod) -> None:
    cluster.apply(Pod, Change("delete", found), NOW)


@pytest.mark.parametrize("kind", ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"])
@pytest.mark.parametrize("runtime", ["containerd", "cri-o", "docker"])
def test_containers_of_every_kind_and_runtime(cluster: Cluster, own: OwnPods, kind: str, runtime: str) -> None:
    put(cluster, pod("web", status={kind: [container("app", runtime=runtime)]}))
    wanted = Workload("pod", "web", "shop", "app", "web")
    assert own.workload(ID, "") == own.workload(ID[:12], "") == wanted
    assert own.workload("f" * 12, "") is None


def test_a_container_that_kubelet_has_not_told_of(cluster: Cluster, own: OwnPods) -> None:
    put(cluster, pod("web", status={"containerStatuses": [{"name": "app"}]}))
    assert own.workload(ID[:12], "uid-web") == Workload("pod", "web", "shop", "", "web")


@pytest.mark.parametrize(
    "owner, kind, name",
    [
        ({"kind": "StatefulSet", "name": "db"}, "statefulset", "db"),
        ({"kind": "DaemonSet", "name": "proxy"}, "daemonset", "proxy"),
        ({"kind": "Job", "name": "once"}, "job", "once"),
        ({"kind": "Job", "name": "nightly-28000000"}, "cronjob", "nightly"),
        ({"kind": "Cluster", "name": "pg"}, "cluster", "pg"),
    ],
)
def test_controllers(cluster: Cluster, own: OwnPods, owner: dict[str, Any], kind: str, name: str) -> None:
    put(cluster, pod("x", ownerReferences=[{**owner, "controller": True}]))
    found = own.workload("", "uid-x")
    assert found
    assert (found.kind, found.name, found.pod) == (kind, name, "x")


def test_a_static_pod_by_the_uid_that_kubelet_gave_it(cluster: Cluster, own: OwnPods) -> None:
    """The API server has a mirror of it, with another uid and the hash of the manifest as annotation."""
    mirror = pod(
        "etcd-n1",
        annotations={"kubernetes.io/config.mirror": HASH},
        ownerReferences=[{"kind": "Node", "name": "n1", "controller": True}],
    )
    put(cluster, mirror)
    wanted = Workload("pod", "etcd", "shop", "", "etcd-n1")
    assert own.workload("", HASH) == own.workload("", "uid-etcd-n1") == wanted
    delete(cluster, mirror)
    assert own.workload("", HASH) == wanted, "for its last data"


def test_a_pod_that_is_gone_keeps_its_name(cluster: Cluster, own: OwnPods) -> None:
    web = pod("web", status={"containerStatuses": [container("app")]})
    put(cluster, web)
    delete(cluster, web)
    assert own.workload(ID, "") == Workload("pod", "web", "shop", "app", "web")


def test_addresses_of_pods_of_this_node(cluster: Cluster, own: OwnPods) -> None:
    put(cluster, pod("here", status={"podIPs": [{"ip": "10.244.1.5"}]}))
    put(cluster, pod("there", node="n2", status={"podIPs": [{"ip": "10.244.2.5"}]}))
    assert own.at("10.244.1.5", NOW) == Workload("pod", "here", "shop", "", "here")
    assert own.at("10.244.2.5", NOW) is None
    assert own.at("192.0.2.1", NOW) is None


def test_annotations_that_exclude(cluster: Cluster, own: OwnPods) -> None:
    shy = pod("shy", annotations={"kindling.io/observe": "false"})
    put(cluster, pod("web"))
    put(cluster, shy)
    assert list(own.unobserved()) == [("shop", "shy")]
    delete(cluster, shy)
    assert list(own.unobserved()) == [("shop", "shy")], "its last data is not shown either"
    put(cluster, pod("shy"))
    assert list(own.unobserved()) == []


def test_changes_are_counted_when_they_are_taken() -> None:
    reflector: Reflector[Pod] = Reflector(None, Resource("pods", "/api/v1/pods", Pod))  # type: ignore[arg-type]
    cluster = Cluster([reflector], "n1")
    own = OwnPods(cluster)
    reflector.changes.append(Change("put", pod("web")))
    before = own.changes
    cluster.refresh(NOW)
    assert own.changes > before
    assert own.workload("", "uid-web")


def test_hope_ends_with_an_api_server_that_is_away() -> None:
    reflector: Reflector[Pod] = Reflector(None, Resource("pods", "/api/v1/pods", Pod))  # type: ignore[arg-type]
    now = NOW
    own = OwnPods(Cluster([reflector], "n1"), lambda: now)
    assert own.hopeful
    reflector.health.failing_since = NOW
    assert own.hopeful, "it may be a connection that is made anew"
    now += 6
    assert not own.hopeful
